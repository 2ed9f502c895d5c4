"""release.json: what a release holds, and where all of it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bakery.recipe.lock import TrustKind  # noqa: TC001  types are read at run time
from bakery.recipe.model import Arch, Format, OsLevel, OsVersion, normalised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bakery.recipe.matrix import Release
    from bakery.ledger import Record


class ReleasedImage(msgspec.Struct, frozen=True, kw_only=True):
    """One image file.

    Attributes:
        file: its name, beside release.json.
        arch: the architecture, in systemd's words.
        format: its file system.
        size: its bytes.
        sha256: its digest.
        key: the digest of everything that decided its bytes.
        contents: the bytes of all files in it together.
        tools: the programs and options that wrote it.

    """

    file: str
    arch: Arch
    format: Format
    size: int
    sha256: str
    key: str
    contents: int
    tools: str


class ReleasedAsset(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An asset of upstream's that went into the images, as the lock pins it."""

    url: str
    sha256: str
    trust: TrustKind
    size: int | None = None
    citation: str | None = None


class ReleaseDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One recipe at one version, all architectures.

    Attributes:
        name: the recipe's name; hosts see the extension under it.
        version: upstream's tag.
        summary, homepage, license: as in the recipe.
        os: which hosts it fits: `any`, or an ID with its level or version.
        parts: the versions of parts with releases of their own.
        requires: extensions that must be merged too.
        replaces: built-in extensions that the host must mask.
        images: one per architecture.
        assets: where their contents came from.

    """

    name: str
    version: str
    summary: str
    homepage: str
    license: str
    os: OsLevel | OsVersion | str
    parts: dict[str, str]
    requires: tuple[str, ...]
    replaces: tuple[str, ...]
    images: tuple[ReleasedImage, ...]
    assets: tuple[ReleasedAsset, ...]


def describe(release: Release, squashed: Mapping[str, Record]) -> ReleaseDocument:
    """Return the document of a release.

    Args:
        release: what was built.
        squashed: the records of its images, by the images' names.

    """
    recipe = release.source.recipe
    locked = release.source.lock.versions[release.version]
    return ReleaseDocument(
        name=release.source.name,
        version=release.version,
        summary=recipe.summary,
        homepage=recipe.homepage,
        license=recipe.license,
        os=recipe.os,
        parts=locked.parts,
        requires=recipe.requires,
        replaces=recipe.replaces,
        images=tuple(
            ReleasedImage(
                file=image.filename,
                arch=image.contents.arch,
                format=image.format,
                size=int(squashed[image.id].facts["size"]),
                sha256=str(squashed[image.id].facts["sha256"]),
                key=squashed[image.id].key,
                contents=int(squashed[image.id].facts["contents"]),
                tools=str(squashed[image.id].facts["tools"]),
            )
            for image in release.images
        ),
        assets=tuple(
            ReleasedAsset(
                url=asset.url,
                sha256=asset.sha256,
                trust=asset.trust,
                size=asset.size,
                citation=asset.citation,
            )
            for asset in locked.assets
        ),
    )


def encode(document: ReleaseDocument) -> bytes:
    """Return the document as JSON for people and programs."""
    return msgspec.json.format(msgspec.json.encode(normalised(document)), indent=2) + b"\n"
