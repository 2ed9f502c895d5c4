"""release.json: what a release holds, and where all of it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bakery.recipe.lock import TrustKind  # noqa: TC001  types are read at run time
from bakery.recipe.model import normalised
from bakery.recipe.types import Arch, Format  # noqa: TC001  types are read at run time
from bakery.release.boots import Boot  # noqa: TC001  types are read at run time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bakery.recipe.plan import Release
    from bakery.release.finished import Finished


FILE = "release.json"


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
        boots: the boots that these very bytes have passed.

    """

    file: str
    arch: Arch
    format: Format
    size: int
    sha256: str
    key: str
    contents: int
    tools: str
    boots: tuple[Boot, ...]


class ReleasedAsset(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An asset of upstream's that went into the images, as the lock pins it."""

    url: str
    sha256: str
    trust: TrustKind
    size: int | None = None
    citation: str | None = None


class ReleasedOs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The one kind of host that an image fits: its ID, with a level or a version."""

    id: str
    level: str | None = None
    version: str | None = None


class ReleaseDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One recipe at one version, all architectures.

    Attributes:
        name: the recipe's name; hosts see the extension under it.
        version: upstream's tag.
        summary, homepage, license: as in the recipe.
        os: which hosts it fits: `any`, or one kind.
        parts: the versions of parts with releases of their own.
        requires: extensions that must be merged too.
        replaces: built-in extensions that the host must mask.
        images: one per architecture.
        assets: where their contents came from.
        boot_waiver: which boots images did without, and why; None where all were demanded.
        sbom: the names of its bills of materials, beside release.json.
        transfers: the names of the files that make systemd-sysupdate follow it.
        signed_by: the fingerprint of the key that signs its checksums; None where nobody does.

    """

    name: str
    version: str
    summary: str
    homepage: str
    license: str
    os: ReleasedOs | str
    parts: dict[str, str]
    requires: tuple[str, ...]
    replaces: tuple[str, ...]
    images: tuple[ReleasedImage, ...]
    assets: tuple[ReleasedAsset, ...]
    boot_waiver: str | None
    sbom: tuple[str, ...]
    transfers: tuple[str, ...]
    signed_by: str | None


def describe(
    release: Release,
    images: Sequence[Finished],
    *,
    boot_waiver: str | None,
    sbom: Iterable[str],
    transfers: Iterable[str],
    signed_by: str | None,
) -> ReleaseDocument:
    """Return the document of a release.

    Args:
        release: what was built.
        images: its images.
        boot_waiver: which boots images did without, and why.
        sbom: the names of its bills of materials.
        transfers: the names of its transfer definitions.
        signed_by: the signing key's fingerprint.

    """
    recipe = release.source.recipe
    locked = release.source.lock.versions[release.version]
    return ReleaseDocument(
        name=release.source.name,
        version=release.version,
        summary=recipe.summary,
        homepage=recipe.homepage,
        license=recipe.license,
        os=msgspec.convert(normalised(recipe.os), ReleasedOs | str),
        parts=locked.parts,
        requires=recipe.requires,
        replaces=recipe.replaces,
        images=tuple(
            ReleasedImage(
                file=each.image.filename,
                arch=each.image.contents.arch,
                format=each.image.format,
                size=int(each.record.facts["size"]),
                sha256=each.sha256,
                key=each.record.key,
                contents=int(each.record.facts["contents"]),
                tools=str(each.record.facts["tools"]),
                boots=each.boots,
            )
            for each in images
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
        boot_waiver=boot_waiver,
        sbom=tuple(sbom),
        transfers=tuple(transfers),
        signed_by=signed_by,
    )


def encode(document: ReleaseDocument) -> bytes:
    """Return the document as JSON for people and programs."""
    return msgspec.json.format(msgspec.json.encode(normalised(document)), indent=2) + b"\n"


def decode(data: bytes) -> ReleaseDocument:
    """Return the document that `encode` wrote.

    Raises:
        msgspec.DecodeError: the bytes are none.

    """
    return msgspec.json.decode(data, type=ReleaseDocument)
