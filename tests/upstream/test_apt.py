from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bakery.upstream import apt, debian
from bakery.upstream.errors import UpstreamError

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = """\
# the mirror
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /keys/debian.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


@pytest.fixture
def system(tmp_path: Path) -> Path:
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "etc/os-release").write_text('ID=debian\nVERSION_CODENAME="bookworm"\n')
    return tmp_path


def test_archives_and_keys_are_those_of_apt(system: Path) -> None:
    (system / "etc/apt/sources.list.d/debian.sources").write_text(SOURCES)
    found = apt.mirrors(system=system)
    assert found.main == "http://mirror.example/debian"
    assert found.security == "http://mirror.example/debian-security"
    assert found.keyring == "/keys/debian.gpg"


def test_one_line_entries_are_read_too(system: Path) -> None:
    (system / "etc/apt/sources.list").write_text(
        "deb [arch=amd64] http://other.example/tools bookworm-tools main\n"
        "deb-src http://m.example/debian bookworm main\n"
        "deb [signed-by=/keys/mine.gpg] http://m.example/debian bookworm main contrib\n"
    )
    found = apt.mirrors(system=system)
    assert (found.main, found.security) == ("http://m.example/debian", None)
    assert found.keyring == "/keys/mine.gpg"


def test_a_setting_names_another_mirror(system: Path) -> None:
    found = apt.mirrors("http://mine.example/debian", system=system)
    assert found.main == "http://mine.example/debian"
    assert found.security == "http://mine.example/debian-security"


def test_a_snapshot_goes_before_all_else(system: Path) -> None:
    snapshot = "http://old.example/{archive}/20250801T000000Z"
    found = apt.mirrors("http://mine.example/debian", snapshot, system)
    assert found.main == "http://old.example/debian/20250801T000000Z"
    assert found.security == "http://old.example/debian-security/20250801T000000Z"


def test_other_systems_need_to_be_told(system: Path) -> None:
    (system / "etc/os-release").write_text("ID=other\nVERSION_CODENAME=bookworm\n")
    with pytest.raises(UpstreamError, match=apt.VARIABLE):
        apt.mirrors(system=system)


MIRRORS = apt.Mirrors(main="http://m.example/debian", security="http://m.example/security")


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (
            "debian:trixie/pool/main/a/aa/aa_1+2_amd64.deb",
            "http://m.example/debian/pool/main/a/aa/aa_1%2B2_amd64.deb",
        ),
        (
            "debian:trixie/pool/updates/main/a/aa/aa_1_all.deb",
            "http://m.example/security/pool/updates/main/a/aa/aa_1_all.deb",
        ),
    ],
)
def test_a_locked_package_is_found_on_any_mirror(address: str, url: str) -> None:
    assert debian.resolve(address, MIRRORS) == url


def test_security_updates_need_their_archive() -> None:
    address = "debian:trixie/pool/updates/main/a/aa/aa_1_all.deb"
    with pytest.raises(UpstreamError, match="security update"):
        debian.resolve(address, apt.Mirrors(main=MIRRORS.main, security=None))
