"""release.json: what a release holds, and where all of it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from bakery.arch import Arch
from bakery.boot.waiver import WaivedBoot
from bakery.characters import hidden_text, visible
from bakery.decoding import from_data, from_json, to_json
from bakery.recipe.lock import TrustKind
from bakery.recipe.model import normalised
from bakery.recipe.names import ImageName, release_name
from bakery.recipe.template import ADDRESS
from bakery.recipe.types import (
    Address,
    Decoded,
    ExtensionName,
    Format,
    License,
    Name,
    OneLine,
    OsField,
    Placeholder,
    Tier,
)
from bakery.recipe.version import Version
from bakery.release import sums
from bakery.release.boots import Boot, Fingerprint, Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bakery.image.inventory import Inventory
    from bakery.image.manifest import Manifest
    from bakery.recipe.lock import LockedAsset
    from bakery.recipe.plan import Image, Release


FILE = "release.json"

_T = TypeVar("_T")

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0)]
FileName = Annotated[str, Meta(pattern=f"^{sums.NAME}$")]
Tag = Annotated[str, Meta(pattern=f"^{Version.GRAMMAR}$")]


class ReleasedVerity(Decoded, frozen=True, kw_only=True, omit_defaults=True):
    """The same image in partitions, with its dm-verity hash tree.

    Attributes:
        file: its name, beside release.json.
        size: its bytes.
        sha256: its digest.
        root_hash: what vouches for every block of the file system.
        signed_by: the SHA-256 of the certificate whose key has signed the root hash; None where
            nobody has.

    """

    file: FileName
    size: Count
    sha256: Digest
    root_hash: Digest
    signed_by: Digest | None = None


class ReleasedImage(Decoded, frozen=True, kw_only=True, omit_defaults=True):
    """One image file.

    Attributes:
        file: its name, beside release.json.
        arch: the architecture, in systemd's words.
        format: its file system.
        size: its bytes.
        sha256: its digest; empty for a folder.
        key: the digest of everything that decided its bytes.
        contents: the bytes of all files in it together.
        tools: the programs and options that wrote it.
        boots: the boots that these very bytes have passed.
        origin: the shared cache that it was taken from; None where whoever completed the release
            has made it.
        verity: the one for dm-verity beside it, whose file system these bytes are.

    """

    file: FileName
    arch: Arch
    format: Format
    size: Count
    sha256: Annotated[str, Meta(pattern="^(?:[0-9a-f]{64})?$")]
    key: Annotated[str, Meta(pattern="^[0-9a-z]+$")]
    contents: Count
    tools: OneLine
    boots: tuple[Boot, ...]
    origin: Origin | None = None
    verity: ReleasedVerity | None = None

    @property
    def files(self) -> tuple[ReleasedImage | ReleasedVerity, ...]:
        """What of it can be published: nothing of a folder."""
        return tuple(each for each in (self, self.verity) if each and each.sha256)


class ReleasedAsset(Decoded, frozen=True, kw_only=True, omit_defaults=True):
    """An asset of upstream's that went into the images, as the lock pins it."""

    url: Annotated[str, Meta(pattern=f"^(?:https?:|file:|pypi:|npm:|debian:){ADDRESS}$")]
    sha256: Digest
    trust: TrustKind
    size: Count | None = None
    citation: OneLine | None = None


class ReleasedOs(Decoded, frozen=True, kw_only=True, omit_defaults=True):
    """The one kind of host that an image fits: its ID, with a level or a version."""

    id: OsField
    level: OsField | None = None
    version: OsField | None = None


class ReleaseDocument(Decoded, frozen=True, kw_only=True):
    """One recipe at one version, all architectures.

    Attributes:
        name: the recipe's name; hosts see the extension under it.
        version: upstream's tag.
        summary, homepage, license, tier: as in the recipe.
        os: which hosts it fits: `any`, or one kind.
        parts: the versions of parts with releases of their own.
        requires: extensions that must be merged too.
        conflicts: extensions that it can't run beside.
        replaces: built-in extensions that the host must mask.
        images: one per architecture.
        assets: where their contents came from.
        waived_boots: which boots images did without, and why.
        sbom: the names of its bills of materials, beside release.json.
        transfers: the names of the files that make systemd-sysupdate follow it.
        signed_by: the fingerprint of the key that signs its checksums; None where nobody does.

    """

    name: Name
    version: Tag
    summary: OneLine
    homepage: Address
    license: License
    tier: Tier
    os: ReleasedOs | Literal["any"]
    parts: dict[Placeholder, Tag]
    requires: tuple[Name, ...]
    conflicts: tuple[Name, ...]
    replaces: tuple[ExtensionName, ...]
    images: tuple[ReleasedImage, ...]
    assets: tuple[ReleasedAsset, ...]
    waived_boots: tuple[WaivedBoot, ...]
    sbom: tuple[FileName, ...]
    transfers: tuple[FileName, ...]
    signed_by: Fingerprint | None

    def __post_init__(self) -> None:
        """Refuse an image that is told of twice, and an extension that needs or excludes itself."""
        refuse_twice(each.file for each in self.images)
        if self.name in (*self.requires, *self.conflicts, *self.replaces):
            raise ValueError(f"{self.name} neither needs nor excludes itself")

    @property
    def tag(self) -> str:
        """The release's name, under which it is published."""
        return release_name(self.name, self.version)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished image with everything that its release tells of it.

    Attributes:
        image: what was made.
        released: what release.json says of it.
        manifest: the paths in it.
        inventory: what more is known about its files.

    """

    image: Image
    released: ReleasedImage
    manifest: Manifest
    inventory: Inventory


def describe(
    release: Release,
    images: Sequence[Finished],
    *,
    waived_boots: Iterable[WaivedBoot],
    sbom: Iterable[str],
    transfers: Iterable[str],
    signed_by: str | None,
) -> ReleaseDocument:
    """Return the document of a release.

    Args:
        release: what was built.
        images: its images.
        waived_boots: which boots images did without, and why.
        sbom: the names of its bills of materials.
        transfers: the names of its transfer definitions.
        signed_by: the signing key's fingerprint.

    """
    recipe = release.source.recipe
    locked = release.locked
    return ReleaseDocument(
        name=release.source.name,
        version=release.version.tag,
        summary=recipe.summary,
        homepage=recipe.homepage,
        license=recipe.license,
        tier=recipe.tier,
        os=from_data(normalised(recipe.os), ReleasedOs | Literal["any"]),  # type: ignore[arg-type]
        parts=locked.parts,
        requires=recipe.requires,
        conflicts=recipe.conflicts,
        replaces=recipe.replaces,
        images=tuple(each.released for each in images),
        assets=tuple(map(_asset, locked.assets)),
        waived_boots=tuple(waived_boots),
        sbom=tuple(sbom),
        transfers=tuple(transfers),
        signed_by=signed_by,
    )


def _asset(locked: LockedAsset) -> ReleasedAsset:
    return ReleasedAsset(
        url=locked.url,
        sha256=locked.sha256,
        trust=locked.trust,
        size=locked.size,
        citation=locked.citation,
    )


def encode(document: ReleaseDocument) -> bytes:
    """Return the document as JSON for people and programs."""
    return to_json(normalised(document), indent=2)


def decode(data: bytes) -> ReleaseDocument:
    """Return the document that `encode` wrote.

    Every text in it must be what the recipe language takes for it, on one line and without
    characters that act on terminals: it reaches paths, units, scripts and terminals.

    Raises:
        ValueError: the bytes are something else.

    """
    return decode_strictly(data, ReleaseDocument)


def decode_strictly(data: bytes, kind: type[_T]) -> _T:
    """Return the value of a type that JSON spells, without characters that act on terminals.

    Raises:
        ValueError: the bytes spell something else.

    """
    decoded = from_json(data, kind)
    hidden = hidden_text(msgspec.to_builtins(decoded))
    if hidden is not None:
        raise ValueError(f'"{visible(hidden)}" holds a character that is not shown')
    return decoded


def refuse_twice(names: Iterable[str]) -> None:
    """Refuse a list that names something twice.

    Raises:
        ValueError: it does.

    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{visible(name)} is there twice")
        seen.add(name)


def contradictions(
    document: ReleaseDocument, files: Mapping[str, tuple[int | None, str]]
) -> Iterator[str]:
    """Yield what a release's document says that the files of the release do not bear out.

    Args:
        document: the document.
        files: the size in bytes, where it is known, and the SHA-256 of what lies beside it.

    """
    images = {each.file: each for image in document.images for each in image.files}
    for name in (*images, *document.sbom, *document.transfers):
        if name not in files:
            yield f"{sums.FILE} does not name {name}"
    for name in files:
        if name.endswith(".raw") and name not in images:
            yield f"it does not describe {name}"
    for name in _misnamed(document):
        yield f"{name} is not what {document.name} {document.version} is called"
    for name, image in images.items():
        size, sha256 = files.get(name, (image.size, image.sha256))
        if image.sha256 != sha256:
            yield f"{name} has another digest there, {image.sha256}"
        if size not in (None, image.size):
            yield f"{name} has {size} bytes, and {image.size} there"
        if not image.size:
            yield f"{name} is empty"


def _misnamed(document: ReleaseDocument) -> Iterator[str]:
    for image in document.images:
        name = ImageName(document.name, document.version, image.arch)
        for each in image.files:
            if each.file != (name.file if each is image else name.verity_file):
                yield each.file
