"""What a software bill of materials says of a tree's files, beyond what the manifest holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bakery.binary import go_build, rust_build
from bakery.binary.go_build import GoBuild  # noqa: TC001  msgspec reads it at run time
from bakery.binary.headers import MAGIC, ElfError, ElfFile
from bakery.binary.rust_build import Crate  # noqa: TC001  the same
from bakery.decoding import from_json

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.image.manifest import Manifest


class BinaryDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One ELF file.

    Attributes:
        go: the build information that Go's linker wrote into it, if any.
        crates: the Rust crates that it says are in it.

    """

    go: GoBuild | None = None
    crates: tuple[Crate, ...] = ()


class Inventory(msgspec.Struct, frozen=True):
    """The ELF files of one tree by their paths."""

    binaries: dict[str, BinaryDetails]


def take(tree: Path, manifest: Manifest) -> Inventory:
    """Read a staged tree and return its inventory.

    Raises:
        OSError: a file can't be read.

    """
    found = {
        entry.path: _details(tree / entry.path)
        for entry in manifest.entries
        if entry.type == "file"
    }
    return Inventory({path: details for path, details in found.items() if details})


def _details(path: Path) -> BinaryDetails | None:
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            return None
        try:
            file = ElfFile(stream)
        except ElfError:  # one that is damaged says no more
            return BinaryDetails()
        return BinaryDetails(go=go_build.read(file), crates=rust_build.read(file))


def encode(inventory: Inventory) -> bytes:
    """Return the inventory as JSON."""
    return msgspec.json.encode(inventory)


def decode(data: bytes) -> Inventory:
    """Return the inventory that `encode` wrote.

    Raises:
        msgspec.DecodeError: the bytes are not an inventory.

    """
    return from_json(data, Inventory)
