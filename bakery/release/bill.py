"""What a release is made of, in no particular format: the material of its SBOMs."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bakery.binary.go_build import GoBuild, GoModule
    from bakery.recipe.lock import LockedAsset
    from bakery.recipe.plan import Release
    from bakery.release.finished import Finished

CREATED = "2020-01-01T00:00:00Z"  # the formats want a time; any other would change the file
AUTHOR = "sysext-bakery"


@dataclass(frozen=True, kw_only=True)
class BilledFile:
    """One file of an image.

    Attributes:
        path: where hosts see it, without the leading slash.
        size: its bytes.
        sha256, sha1: its digests.
        origin: the address of the asset it came from, or the recipe's own part.
        license: an SPDX expression; None for the recipe's own files.
        binary: whether it is an ELF file.
        go: what Go's linker wrote into it.

    """

    path: str
    size: int
    sha256: str
    sha1: str
    origin: str
    license: str | None
    binary: bool
    go: GoBuild | None

    @property
    def modules(self) -> tuple[GoModule, ...]:
        """The Go modules that are linked into it."""
        return self.go.modules if self.go else ()


@dataclass(frozen=True, kw_only=True)
class BilledImage:
    """One image and its files, in the order of their paths."""

    filename: str
    sha256: str
    files: tuple[BilledFile, ...]


@dataclass(frozen=True, kw_only=True)
class Bill:
    """All that a release is made of.

    Attributes:
        name, version, summary, homepage, license: as the recipe has them.
        images: one per architecture.
        assets: what upstream published.

    """

    name: str
    version: str
    summary: str
    homepage: str
    license: str
    images: tuple[BilledImage, ...]
    assets: tuple[LockedAsset, ...]

    @property
    def release(self) -> str:
        """The release's full name."""
        return f"{self.name}-{self.version}"

    @property
    def modules(self) -> tuple[GoModule, ...]:
        """Every Go module in any of the files, once."""
        found = {
            (module.path, module.version): module
            for image in self.images
            for file in image.files
            for module in file.modules
        }
        return tuple(found[key] for key in sorted(found))

    @property
    def uuid(self) -> str:
        """What identifies these contents, and no others."""
        digest = hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()
        return str(uuid.uuid5(uuid.NAMESPACE_OID, digest))


def bill(release: Release, images: Sequence[Finished]) -> Bill:
    """Return the bill of a release."""
    recipe = release.source.recipe
    assets = release.source.lock.versions[release.version].assets
    origins = {asset.url for asset in assets}

    def files(finished: Finished) -> Iterator[BilledFile]:
        for entry in finished.manifest.entries:
            if entry.type == "file":
                item = finished.inventory.files[entry.path]
                yield BilledFile(
                    path=entry.path,
                    size=entry.size,
                    sha256=entry.sha256 or "",
                    sha1=item.sha1,
                    origin=entry.origin or "",
                    license=recipe.license if entry.origin in origins else None,
                    binary=item.binary,
                    go=item.go,
                )

    return Bill(
        name=release.source.name,
        version=release.version,
        summary=recipe.summary,
        homepage=recipe.homepage,
        license=recipe.license,
        images=tuple(
            BilledImage(filename=each.image.filename, sha256=each.sha256, files=tuple(files(each)))
            for each in images
        ),
        assets=assets,
    )


def identity(*words: str) -> str:
    """Return a short name that is the same for the same words, made of hexadecimal digits."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:20]


def go_purl(module: GoModule) -> str:
    """Return a Go module's package URL (the golang type of the purl specification)."""
    from urllib.parse import quote

    version = f"@{quote(module.version, safe='')}" if module.version else ""
    return f"pkg:golang/{quote(module.path.lower(), safe='/')}{version}"
