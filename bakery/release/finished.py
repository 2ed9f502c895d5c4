"""A finished image with everything that is on record of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakery.build.state import Record
    from bakery.image.inventory import Inventory
    from bakery.image.manifest import Manifest
    from bakery.recipe.plan import Image
    from bakery.release.boots import Boot


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished image with everything that is on record of it.

    Attributes:
        image: what was made.
        record: the step that wrote it: key, digest, size, tools.
        manifest: the paths in it.
        inventory: what more is known about its files.
        boots: the boots that these very bytes have passed.

    """

    image: Image
    record: Record
    manifest: Manifest
    inventory: Inventory
    boots: tuple[Boot, ...]

    @property
    def is_file(self) -> bool:
        """Whether it can be published; a folder can't."""
        return self.image.format != "folder"

    @property
    def sha256(self) -> str:
        """The digest of its file; empty for a folder."""
        return str(self.record.facts["sha256"])
