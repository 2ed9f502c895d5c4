"""What a release is made of, in no particular format: the material of its SBOMs."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from bakery.release import components

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bakery.image.inventory import BinaryDetails
    from bakery.recipe.lock import LockedAsset
    from bakery.recipe.plan import Release
    from bakery.release.components import Component
    from bakery.release.document import Finished

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
        compiler: what its linker says of Go's compiler, such as `go1.22.5`.
        libraries: the Go modules and Rust crates that are linked into it.

    """

    path: str
    size: int
    sha256: str
    sha1: str
    origin: str
    license: str | None
    binary: bool
    compiler: str | None
    libraries: tuple[Component, ...]


@dataclass(frozen=True, kw_only=True)
class BilledImage:
    """One image, its files in the order of their paths, and the addresses of its assets.

    Attributes:
        verity: the one for dm-verity beside it, by name and digest; None where there is none.

    """

    filename: str
    sha256: str
    verity: tuple[str, str] | None
    files: tuple[BilledFile, ...]
    assets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BilledAsset:
    """What upstream published, and the software that it was made from."""

    locked: LockedAsset
    component: Component
    upstream: Component


@dataclass(frozen=True, kw_only=True)
class Bill:
    """All that a release is made of.

    Attributes:
        name, version, summary, homepage, license: as the recipe has them.
        supplier: who publishes the images.
        images: one per architecture.
        assets: what upstream published.

    """

    name: str
    version: str
    summary: str
    homepage: str
    license: str
    supplier: str
    images: tuple[BilledImage, ...]
    assets: tuple[BilledAsset, ...]

    @property
    def release(self) -> str:
        """The release's full name."""
        return f"{self.name}-{self.version}"

    @property
    def upstreams(self) -> tuple[Component, ...]:
        """All software that the assets were made from, once."""
        return _distinct(asset.upstream for asset in self.assets)

    @property
    def libraries(self) -> tuple[Component, ...]:
        """Every library in any of the files, once."""
        files = chain.from_iterable(image.files for image in self.images)
        return _distinct(chain.from_iterable(file.libraries for file in files))

    @property
    def uuid(self) -> str:
        """What identifies these contents, and no others."""
        digest = hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()
        return str(uuid.uuid5(uuid.NAMESPACE_OID, digest))


def bill(release: Release, images: Sequence[Finished], supplier: str = AUTHOR) -> Bill:
    """Return the bill of a release that `supplier` publishes."""
    recipe = release.source.recipe
    project = components.project(release.source, release.version.tag)
    assets = release.locked.assets
    origins = {asset.url for asset in assets}

    def files(finished: Finished) -> Iterator[BilledFile]:
        for entry in finished.manifest.entries:
            if entry.type == "file":
                binary = finished.inventory.binaries.get(entry.path)
                yield BilledFile(
                    path=entry.path,
                    size=entry.size,
                    sha256=entry.sha256 or "",
                    sha1=entry.sha1 or "",
                    origin=entry.origin or "",
                    license=recipe.license if entry.origin in origins else None,
                    binary=binary is not None,
                    compiler=binary.go.go if binary and binary.go else None,
                    libraries=_libraries(binary, project) if binary else (),
                )

    return Bill(
        name=release.source.name,
        version=release.version.tag,
        summary=recipe.summary,
        homepage=recipe.homepage,
        license=recipe.license,
        supplier=supplier,
        images=tuple(
            BilledImage(
                filename=each.released.file,
                sha256=each.released.sha256,
                verity=(verity.file, verity.sha256) if verity else None,
                files=tuple(files(each)),
                assets=tuple(asset.url for asset in each.image.contents.assets),
            )
            for each in images
            for verity in (each.released.verity,)
        ),
        assets=tuple(_asset(asset, project) for asset in assets),
    )


def identity(*words: str) -> str:
    """Return a short name that is the same for the same words, made of hexadecimal digits."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:20]


def _libraries(binary: BinaryDetails, project: Component) -> tuple[Component, ...]:
    modules = binary.go.modules if binary.go else ()
    return (
        *(components.go_module(module) for module in modules),
        *(components.rust_crate(crate, project) for crate in binary.crates),
    )


def _asset(locked: LockedAsset, project: Component) -> BilledAsset:
    component, upstream = components.asset(locked, project)
    return BilledAsset(locked=locked, component=component, upstream=upstream)


def _distinct(found: Iterable[Component]) -> tuple[Component, ...]:
    by_purl = {component.purl: component for component in found}
    return tuple(by_purl[purl] for purl in sorted(by_purl))
