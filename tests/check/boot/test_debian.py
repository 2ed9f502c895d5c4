from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bakery.check.boot.debian import Root, find_mirror
from bakery.check.boot.machine import MachineError

if TYPE_CHECKING:
    from pathlib import Path

DEB822 = """\
# comment
Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm
 bookworm-updates
Components: main contrib
"""


@pytest.fixture
def system(tmp_path: Path) -> Path:
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "etc/os-release").write_text('ID=debian\nVERSION_CODENAME="bookworm"\n', "utf-8")
    return tmp_path


def test_the_mirror_is_read_from_deb822_sources(system: Path) -> None:
    (system / "etc/apt/sources.list.d/debian.sources").write_text(DEB822, "utf-8")
    assert find_mirror({}, system) == "http://mirror.example/debian"


def test_the_mirror_is_read_from_sources_list(system: Path) -> None:
    lines = "deb [arch=amd64 trusted=yes] http://m.example/debian bookworm contrib main\n"
    (system / "etc/apt/sources.list").write_text(lines, "utf-8")
    assert find_mirror({}, system) == "http://m.example/debian"


def test_the_environment_goes_first(system: Path) -> None:
    assert find_mirror({"BAKERY_DEBIAN_MIRROR": "http://mine/debian/"}, system) == (
        "http://mine/debian"
    )


def test_another_system_has_to_name_a_mirror(system: Path) -> None:
    (system / "etc/apt/sources.list.d/x.sources").write_text(DEB822, "utf-8")
    (system / "etc/os-release").write_text("ID=ubuntu\nVERSION_CODENAME=bookworm\n", "utf-8")
    with pytest.raises(MachineError, match="no Debian archive") as caught:
        find_mirror({}, system)
    assert "BAKERY_DEBIAN_MIRROR" in (caught.value.fix or "")


def test_a_root_that_differs_has_another_name() -> None:
    names = {
        Root(suite="trixie", arch="x86-64").name,
        Root(suite="trixie", arch="arm64").name,
        Root(suite="bookworm", arch="x86-64").name,
        Root(suite="trixie", arch="x86-64", packages=("systemd",)).name,
        Root(suite="trixie", arch="x86-64", files={"etc/x": "y"}).name,
    }
    assert len(names) == 5
    assert Root(suite="trixie", arch="x86-64").name.startswith("trixie-x86-64-")
