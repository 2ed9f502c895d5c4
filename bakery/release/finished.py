"""A finished image with everything that its release tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakery.image.inventory import Inventory
    from bakery.image.manifest import Manifest
    from bakery.recipe.plan import Image
    from bakery.release.boots import Boot
    from bakery.release.document import ReleasedOrigin, ReleasedVerity


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished image with everything that its release tells of it.

    Attributes:
        image: what was made.
        key: the digest of everything that decided its bytes.
        sha256: the digest of its file; empty for a folder.
        size: its bytes.
        contents: the bytes of all files in it together.
        tools: the programs and options that wrote it.
        manifest: the paths in it.
        inventory: what more is known about its files.
        boots: the boots that these very bytes have passed.
        origin: the shared cache that it was taken from; None where it was made here.
        verity: the one for dm-verity beside it; None where there is none.

    """

    image: Image
    key: str
    sha256: str
    size: int
    contents: int
    tools: str
    manifest: Manifest
    inventory: Inventory
    boots: tuple[Boot, ...]
    origin: ReleasedOrigin | None = None
    verity: ReleasedVerity | None = None

    @property
    def is_file(self) -> bool:
        """Whether it can be published; a folder can't."""
        return self.image.format != "folder"
