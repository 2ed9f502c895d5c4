from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness.contents import contents as nothing

from bakery.image import release_file
from bakery.recipe.model import OsLevel, OsVersion
from bakery.recipe.plan import Contents, StartedUnit

if TYPE_CHECKING:
    from bakery.arch import Arch


WHAT = "SYSEXT_ID=tool\nSYSEXT_NAME=tool\nSYSEXT_VERSION_ID=1.0\n"


def contents(os: OsLevel | OsVersion | None, arch: Arch = "x86-64", **more: Any) -> Contents:
    return nothing("tool", "1.0", os=os, arch=arch, **more)


@pytest.mark.parametrize(
    ("os", "expected"),
    [
        (None, "ID=_any\nARCHITECTURE=x86-64\n"),
        (
            OsLevel(id="flatcar", level="1.0"),
            "ID=flatcar\nSYSEXT_LEVEL=1.0\nARCHITECTURE=x86-64\n",
        ),
        (OsVersion(id="debian", version="12"), "ID=debian\nVERSION_ID=12\nARCHITECTURE=x86-64\n"),
    ],
)
def test_the_host_is_named_as_systemd_matches_it(
    os: OsLevel | OsVersion | None, expected: str
) -> None:
    text = release_file.text(contents(os), ships_units=False)
    assert text == f"{expected}{WHAT}BAKERY_RESTART=keep\n"


def test_the_manager_reloads_only_for_units() -> None:
    assert release_file.text(contents(None, "arm64"), ships_units=True) == (
        f"ID=_any\nARCHITECTURE=arm64\nEXTENSION_RELOAD_MANAGER=1\n{WHAT}BAKERY_RESTART=keep\n"
    )


def test_systemd_is_not_asked_to_restart_units_since_boots_would_wait_for_ever() -> None:
    start = (StartedUnit("a.service", "multi-user.target"),)
    text = release_file.text(contents(None, start=start, restart="restart"), ships_units=True)
    assert text.endswith(f"EXTENSION_RELOAD_MANAGER=1\n{WHAT}BAKERY_RESTART=restart\n")


def test_what_it_needs_and_what_it_excludes_is_told() -> None:
    made = contents(None, requires=("a", "b"), conflicts=("c",))
    text = release_file.text(made, ships_units=False)
    assert text.endswith('BAKERY_REQUIRES="a b"\nBAKERY_CONFLICTS="c"\n')


def test_its_name_is_the_one_the_host_sees() -> None:
    assert release_file.path("docker") == "usr/lib/extension-release.d/extension-release.docker"
