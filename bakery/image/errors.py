"""What can go wrong between assets and an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.errors import BakeryError

if TYPE_CHECKING:
    from pathlib import Path


class ImageError(BakeryError):
    """An image can't be made: recipe and assets don't fit together, or a tree is not as staged."""


class VerityError(BakeryError):
    """An image's partitions, hash tree or signature can't be made, or are not as they must be."""


class NothingDynamicError(ImageError):
    """An image is to be self-contained, but no program in it needs a loader or libraries."""

    def __init__(self) -> None:
        super().__init__(
            "self-contained: true, but nothing in the image is a dynamic program",
            fix="remove it, or correct install:",
        )


class AlteredAssetError(ImageError):
    """A file that counts as an asset holds other bytes than the lock pins.

    Attributes:
        sha256: the digest that the lock pins.

    """

    def __init__(self, filename: str, path: Path, *, locked: str, read: str) -> None:
        super().__init__(
            f"{filename} is not the file that the lock pins",
            where=str(path),
            why=f"locked:  sha256 {locked}\nread:    sha256 {read}\n"
            "it was right when it was stored; a disk, a memory, or somebody has changed it since",
            fix="remove it, and run the same command again: it is then fetched anew",
        )
        self.sha256 = locked
