"""Debian packages: what dpkg packs arrives whole, and what is none is refused."""

from __future__ import annotations

import gzip
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from bakery.archive import deb
from bakery.archive.unpack import BrokenArchiveError, HostileArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def package(tmp_path: Path, tool: Any) -> Callable[..., Path]:
    """Returns a function that packs a folder with a program and some links as dpkg does."""

    def pack(compression: str = "xz", script: str = "", **links: str) -> Path:
        root = tmp_path / "root"
        (root / "DEBIAN").mkdir(parents=True)
        (root / "DEBIAN" / "control").write_text(
            "Package: tool\nVersion: 1\nArchitecture: all\nMaintainer: me <me@example.org>\n"
            "Description: a tool\n"
        )
        (root / "usr" / "bin").mkdir(parents=True)
        (root / "usr" / "bin" / "tool").write_bytes(b"tool" * 5000)
        (root / "usr" / "bin" / "tool").chmod(0o755)
        if script:
            (root / "DEBIAN" / "postinst").write_text(script)
            (root / "DEBIAN" / "postinst").chmod(0o755)
        for name, target in links.items():
            (root / "usr" / "bin" / name).symlink_to(target)
        tool("dpkg-deb", f"-Z{compression}", "-b", root, "tool.deb", cwd=tmp_path)
        return tmp_path / "tool.deb"

    return pack


@pytest.mark.parametrize("compression", ["xz", "gzip", "zstd", "none"])
def test_what_dpkg_packs(compression: str, package: Any, unpack: Any) -> None:
    found = unpack(package(compression, t="/usr/bin/tool"))
    assert found.keys() == {"usr", "usr/bin", "usr/bin/tool", "usr/bin/t"}
    member, data = found["usr/bin/tool"]
    assert (member.executable, member.size, data) == (True, 20000, b"tool" * 5000)
    assert found["usr/bin/t"][0].target == "/usr/bin/tool"


@pytest.mark.parametrize("target", ["/../etc", "../../../etc"])
def test_links_that_leave_the_root(target: str, package: Any, unpack: Any) -> None:
    with pytest.raises(HostileArchiveError, match="outside") as caught:
        unpack(package(l=target))
    assert "'./usr/bin/l'" in (caught.value.where or "")


def test_what_ar_packs_is_no_package(tmp_path: Path, tool: Any, unpack: Any) -> None:
    (tmp_path / "debian-binary").write_text("3.0\n")
    (tmp_path / "data.tar").write_bytes(b"")
    tool("ar", "rc", "no.deb", "data.tar", cwd=tmp_path)
    with pytest.raises(BrokenArchiveError, match="debian-binary"):
        unpack(tmp_path / "no.deb")
    tool("ar", "rc", "three.deb", "debian-binary", "data.tar", cwd=tmp_path)
    with pytest.raises(BrokenArchiveError, match="version 2"):
        unpack(tmp_path / "three.deb")
    (tmp_path / "debian-binary").write_text("2.0\n")
    tool("ar", "rc", "none.deb", "debian-binary", cwd=tmp_path)
    with pytest.raises(BrokenArchiveError, match=r"0 data\.tar"):
        unpack(tmp_path / "none.deb")
    tool("ar", "qc", "two.deb", "debian-binary", "data.tar", "data.tar", cwd=tmp_path)
    with pytest.raises(BrokenArchiveError, match=r"2 data\.tar"):
        unpack(tmp_path / "two.deb")


def test_every_cut_is_noticed(package: Any, unpack: Any) -> None:
    path = package("none")
    whole = path.read_bytes()
    for length in range(0, len(whole), 499):
        path.write_bytes(whole[:length])
        with pytest.raises(BrokenArchiveError):
            unpack(path)


def test_a_package_ends_where_ar_says(package: Any, unpack: Any) -> None:
    path = package("xz")
    path.write_bytes(path.read_bytes() + gzip.compress(b"more"))
    with pytest.raises(BrokenArchiveError, match="header of its ar archive"):
        unpack(path)


def test_signatures_may_follow(tmp_path: Path, package: Any, unpack: Any) -> None:
    path = package("gzip")
    (tmp_path / "_gpgorigin").write_text("odd")
    subprocess.run(["ar", "q", path, "_gpgorigin"], cwd=tmp_path, check=True)
    assert "usr/bin/tool" in unpack(path)


SETCAP = """#!/bin/sh
PROGRAM=$(dpkg-divert --truename /bin/ping)
if command -v setcap > /dev/null; then setcap cap_net_raw+ep $PROGRAM || chmod u+s $PROGRAM; fi
"""


@pytest.mark.parametrize(
    ("script", "found"),
    [(SETCAP, ["cap_net_raw+ep"]), ("#!/bin/sh\n# no cap_net_raw+ep\n", []), ("", [])],
)
def test_what_a_postinst_grants(script: str, found: list[str], package: Any) -> None:
    assert deb.granted(package(script=script)) == found


def test_a_package_without_scripts_grants_nothing(tmp_path: Path) -> None:
    (tmp_path / "no.deb").write_bytes(b"!<arch>\n")
    assert deb.granted(tmp_path / "no.deb") == []
