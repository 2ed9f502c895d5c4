from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from bakery.boot.command import boot_files
from bakery.errors import BakeryError
from bakery.settings import load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.raw", "no such image"),
        ("empty.raw", "it is empty"),
        ("text.raw", "no squashfs, erofs, ext4 or btrfs"),
        ("folder", "neither usr nor opt"),
        ("pipe.raw", "neither a file nor a folder"),
    ],
)
def test_what_is_no_image_is_refused_before_a_machine_is_made(
    tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "empty.raw").touch()
    (tmp_path / "text.raw").write_text("hello")
    (tmp_path / "folder/etc").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe.raw")
    settings = load(tmp_path, {"BAKERY_STORE": str(tmp_path / "store")})
    with pytest.raises(BakeryError) as caught:
        boot_files(
            [tmp_path / name],
            machines=["nspawn:trixie"],
            settings=settings,
            then=(),
            start=(),
            expected=None,
            shell=False,
            echo=print,
            tell=lambda machine, step, *, lasting=False: None,  # noqa: ARG005
        )
    assert words in str(caught.value)
    assert name in str(caught.value)
    assert not (tmp_path / "store").exists()
