from __future__ import annotations

import pytest

from bakery.recipe import debian
from bakery.recipe.debian import Packages
from bakery.recipe.lock import LockedAsset, LockedVersion

HAPROXY = "debian:trixie/pool/main/h/haproxy/haproxy_3.0.11-1_{arch}.deb"
LIBC = "debian:trixie/pool/updates/main/g/glibc/libc6_2.41-12+deb13u4_{arch}.deb"
COMMON = "debian:trixie/pool/main/t/tz/tz-common_1.0~rc1_all.deb"


def locked(*urls: str) -> LockedVersion:
    assets = [LockedAsset(url=url, sha256=f"{n:064}", trust="apt") for n, url in enumerate(urls, 1)]
    return LockedVersion(assets=tuple(assets))


def test_an_address_says_suite_place_name_version_and_architecture() -> None:
    deb = debian.parse(LIBC.format(arch="arm64"))
    assert deb is not None
    assert (deb.suite, deb.name, deb.version, deb.arch) == (
        *("trixie", "libc6", "2.41-12+deb13u4", "arm64"),
    )
    assert deb.path == "pool/updates/main/g/glibc/libc6_2.41-12+deb13u4_arm64.deb"


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/pool/main/a/a/aa_1_amd64.deb",
        "pypi:uv/uv-1-py3-none-any.whl",
        "debian:trixie/pool/../aa_1_amd64.deb",
        "debian:trixie/aa_1_amd64.deb",
        "debian:trixie/pool/main/a/a/aa_amd64.deb",
    ],
)
def test_other_addresses_say_nothing(address: str) -> None:
    assert debian.parse(address) is None


@pytest.mark.parametrize(
    ("version", "tag"),
    [
        ("3.0.11-1+deb13u5", "3.0.11-1+deb13u5"),
        ("1:2.3.3-1", "2.3.3-1"),
        ("1.1.15+ds1-2+b4", "1.1.15+ds1-2"),
        ("26.1.5+dfsg1-9+deb13u1+b2", "26.1.5+dfsg1-9.deb13u1"),
        ("1.7.24~ds1-6", "1.7.24.ds1-6"),
    ],
)
def test_a_version_becomes_a_tag_that_releases_can_have(version: str, tag: str) -> None:
    assert debian.tag(version) == tag


def test_packages_are_found_by_suite_and_architecture() -> None:
    both = [url.format(arch=arch) for arch in ("amd64", "arm64") for url in (HAPROXY, LIBC)]
    lock = locked(*both, COMMON, HAPROXY.replace("trixie", "sid").format(arch="amd64"))
    found = Packages(suite="trixie", names=("haproxy",), arch="arm64").find(lock)
    assert [asset.url for asset in found] == [*both[2:], COMMON]


def test_what_is_excluded_is_not_found() -> None:
    urls = [url.format(arch="amd64") for url in (HAPROXY, LIBC)]
    wanted = Packages(suite="trixie", names=("haproxy",), exclude=("libc6",), arch="amd64")
    assert [asset.url for asset in wanted.find(locked(*urls))] == urls[:1]


def test_a_lock_keeps_what_was_asked_for() -> None:
    wanted = Packages(suite="trixie", names=("b", "a"), exclude=("d", "c"), arch="amd64")
    assert wanted.asked == "b, a, without c, d"
