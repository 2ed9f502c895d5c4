"""What the steps share: the settings, the store, the processors, and where the output lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.processors import Processors
from bakery.store.folder import Store

if TYPE_CHECKING:
    from bakery.archive.kept import Kept
    from bakery.recipe.plan import Image
    from bakery.release.signing import SigningKey
    from bakery.release.verity import VeritySigning
    from bakery.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the steps share.

    Attributes:
        settings: where things are and how work is done.
        store: the assets.
        processors: for the steps that compute.

    """

    settings: Settings
    store: Store
    processors: Processors

    @cached_property
    def signing_key(self) -> SigningKey | None:
        """The key that signs releases and channels; None where none is configured."""
        from bakery.release.keyring import signing_key

        return signing_key(self.settings.signing_keyring)

    @cached_property
    def verity_signing(self) -> VeritySigning:
        """By whom images for dm-verity are signed."""
        from bakery.release.verity import VeritySigning

        return VeritySigning.configured(self.settings)

    def has_verity(self, image: Image) -> bool:
        """Return whether an image has one for dm-verity beside it."""
        return image.format != "folder" and (image.verity or self.settings.verity)

    @cached_property
    def kept(self) -> Kept:
        """What assets that several images have in common unpacked to."""
        from bakery.archive.kept import Kept

        return Kept(self.settings.dist)

    @classmethod
    def of(cls, settings: Settings) -> Context:
        """Return what steps share under some settings."""
        return cls(
            settings=settings, store=Store(settings.store), processors=Processors(settings.jobs)
        )

    def staged(self, image: Image) -> Path:
        """Return the folder of an image's tree and manifest.json."""
        return Path(f"{self.settings.dist}/stage/{image.id}")

    def tree(self, image: Image) -> Path:
        """Return the root of an image's tree."""
        return self.staged(image) / "tree"

    def folder(self, release: str) -> Path:
        """Return the folder that holds a release's finished files."""
        return self.settings.dist / release

    def file(self, image: Image) -> Path:
        """Return where a finished image lies."""
        return Path(f"{self.settings.dist}/{image.release}/{image.filename}")

    def shared(self, image: Image) -> tuple[Path, ...]:
        """Return what machines share of an image: its file, and nothing of a folder."""
        return () if image.format == "folder" else (self.file(image),)

    def journals(self, image: Image) -> Path:
        """Return the folder of the journals of an image's boots."""
        return Path(f"{self.settings.dist}/boot/{image.id}")
