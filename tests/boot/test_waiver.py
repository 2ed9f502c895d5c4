from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bakery import settings
from bakery.boot.waiver import WaivedBoot, demanded, waived
from bakery.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

MACHINES = "nspawn:bookworm nspawn:trixie"


def given(root: Path, waiver: str) -> settings.Settings:
    variables = {"BAKERY_MACHINES": MACHINES, "BAKERY_BOOT_WAIVER": waiver}
    return settings.load(root, variables)


@pytest.mark.parametrize(
    ("waiver", "image", "arch", "machines"),
    [
        ("", "app-1-arm64", "arm64", MACHINES),
        ("arm64: none here", "app-1-arm64", "arm64", ""),
        ("arm64: none here", "app-1-x86-64", "x86-64", MACHINES),
        ("nspawn:trixie: broken", "app-1-x86-64", "x86-64", "nspawn:bookworm"),
        ("app-*-arm64: a reason", "app-1-arm64", "arm64", ""),
        ("app-*-arm64: a reason", "other-1-arm64", "arm64", MACHINES),
        ("nspawn:trixie: x; nspawn:bookworm: y", "app-1-arm64", "arm64", ""),
    ],
)
def test_a_waiver_covers_what_it_names_and_nothing_else(
    tmp_path: Path, waiver: str, image: str, arch: str, machines: str
) -> None:
    chosen = given(tmp_path, waiver)
    assert demanded(chosen, image=image, arch=arch) == tuple(machines.split())


@pytest.mark.parametrize("waiver", ["no arm64 machine here", "*: everything", "arm64: ", ": why"])
def test_a_waiver_must_name_something(tmp_path: Path, waiver: str) -> None:
    with pytest.raises(SettingsError, match="boot_waiver") as caught:
        given(tmp_path, waiver)
    assert "arm64: no arm64 machine here" in str(caught.value)


def test_what_was_not_booted_is_stated(tmp_path: Path) -> None:
    chosen = given(tmp_path, "arm64: none here; nspawn:trixie: broken")
    boots = [
        each
        for arch in ("x86-64", "arm64")
        for each in waived(chosen, image=f"app-1-{arch}", arch=arch)
    ]
    x86 = WaivedBoot(image="app-1-x86-64", machines=("nspawn:trixie",), reason="broken")
    assert boots[0] == x86
    assert [str(each) for each in boots] == [
        "app-1-x86-64 on nspawn:trixie: broken",
        "app-1-arm64 on nspawn:bookworm, nspawn:trixie: none here",
    ]
