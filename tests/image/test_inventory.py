from __future__ import annotations

from typing import TYPE_CHECKING

from harness.elf_headers import make_elf

from bakery.image import inventory
from bakery.image.inventory import BinaryDetails
from bakery.image.manifest import Manifest, ManifestEntry

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "cut": make_elf(soname="liba.so")[:20],
    "empty": b"",
    "program": make_elf(go=True),  # its list of modules was stripped
    "script": b"#!/bin/sh\n",
}


def test_every_binary_is_listed_and_a_damaged_one_is_still_one(tmp_path: Path) -> None:
    for path, data in FILES.items():
        (tmp_path / path).write_bytes(data)
    entries = tuple(ManifestEntry(path=path, type="file", mode=0o644) for path in FILES)
    found = inventory.take(tmp_path, Manifest(image="a", key="b", epoch=0, entries=entries))
    assert found.binaries == {"cut": BinaryDetails(), "program": BinaryDetails()}
