"""What bills of materials tell about a tree's files, beyond what its manifest has."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from bakery.binary import go_build
from bakery.binary.elf import MAGIC
from bakery.binary.go_build import GoBuild  # noqa: TC001  msgspec reads it at run time

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.image.manifest import Manifest


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file.

    Attributes:
        sha1: its digest, which SPDX asks for beside a better one.
        binary: whether it is an ELF file.
        go: what Go's linker wrote into it.

    """

    sha1: str
    binary: bool = False
    go: GoBuild | None = None


class Inventory(msgspec.Struct, frozen=True):
    """The files of one tree by their paths."""

    files: dict[str, Item]


def take(tree: Path, manifest: Manifest) -> Inventory:
    """Return the inventory of a staged tree."""
    return Inventory(
        {entry.path: _item(tree / entry.path) for entry in manifest.entries if entry.type == "file"}
    )


def _item(path: Path) -> Item:
    with path.open("rb") as file:
        sha1 = hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
        file.seek(0)
        if file.read(len(MAGIC)) != MAGIC:
            return Item(sha1=sha1)
        return Item(sha1=sha1, binary=True, go=go_build.read(file))


def encode(inventory: Inventory) -> bytes:
    """Return the inventory as JSON."""
    return msgspec.json.encode(inventory)


def decode(data: bytes) -> Inventory:
    """Return the inventory that `encode` wrote.

    Raises:
        msgspec.DecodeError: the bytes are not an inventory.

    """
    return msgspec.json.decode(data, type=Inventory)
