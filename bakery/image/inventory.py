"""What a software bill of materials says of a tree's files, beyond what the manifest holds."""

from __future__ import annotations

import hashlib
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


_CHUNK = 1 << 18  # bytes


class FileDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file.

    Attributes:
        sha1: its SHA-1 in hexadecimal, which SPDX 2.3 requires beside the SHA-256.
        binary: whether it is an ELF file.
        go: the build information that Go's linker wrote into it, if any.
        crates: the Rust crates that it says are in it.

    """

    sha1: str
    binary: bool = False
    go: GoBuild | None = None
    crates: tuple[Crate, ...] = ()


class Inventory(msgspec.Struct, frozen=True):
    """The files of one tree by their paths."""

    files: dict[str, FileDetails]


def take(tree: Path, manifest: Manifest) -> Inventory:
    """Read a staged tree and return its inventory.

    Raises:
        OSError: a file can't be read.

    """
    return Inventory(
        {
            entry.path: _details(tree / entry.path)
            for entry in manifest.entries
            if entry.type == "file"
        }
    )


def _details(path: Path) -> FileDetails:
    with path.open("rb") as stream:
        head = stream.read(_CHUNK)
        digest = hashlib.sha1(head, usedforsecurity=False)
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
        sha1 = digest.hexdigest()
        if not head.startswith(MAGIC):
            return FileDetails(sha1=sha1)
        try:
            file = ElfFile(stream)
        except ElfError:  # one that is damaged says no more
            return FileDetails(sha1=sha1, binary=True)
        return FileDetails(
            sha1=sha1, binary=True, go=go_build.read(file), crates=rust_build.read(file)
        )


def encode(inventory: Inventory) -> bytes:
    """Return the inventory as JSON."""
    return msgspec.json.encode(inventory)


def decode(data: bytes) -> Inventory:
    """Return the inventory that `encode` wrote.

    Raises:
        msgspec.DecodeError: the bytes are not an inventory.

    """
    return from_json(data, Inventory)
