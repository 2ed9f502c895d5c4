from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness.native import ARCH

from bakery.boot.errors import MachineError
from bakery.boot.machine import BootImage
from bakery.boot.nspawn import Nspawn
from bakery.boot.session import Deployment, boot

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("there", "what"), [(False, "no such image"), (True, "needs a terminal")])
def test_mistakes_are_told_before_anything_boots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, there: bool, what: str
) -> None:
    image = tmp_path / "a.raw"
    if there:
        image.touch()
    machine = Nspawn(suite="trixie", cache=tmp_path, arch=ARCH)
    deployment = Deployment(images=[BootImage(path=image, name="a")])
    with (tmp_path / "input").open("w+") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        with pytest.raises(MachineError, match=what):
            boot(deployment, machine=machine, journal=tmp_path / "journal", shell=there)
    assert not (tmp_path / "journal.console").exists()
