"""What registries hold: blobs, manifests of blobs, and indexes of manifests.

https://github.com/opencontainers/image-spec: descriptor.md, manifest.md, image-index.md. Documents
are written in one way alone, so that equal content has one digest.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from bakery.decoding import from_json
from bakery.http.errors import RefusedError
from bakery.registry.reference import DIGEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
ACCEPTED = (
    MANIFEST,
    INDEX,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
TITLE = "org.opencontainers.image.title"
"""The annotation of a layer that is a file: its name."""
_VERSION = 2
_T = TypeVar("_T")

Digest = Annotated[str, Meta(pattern=f"^{DIGEST}$")]
Size = Annotated[int, Meta(ge=0)]
Annotations = dict[str, str]


class UnreadableError(RefusedError):
    """What a registry has is not written as it must be."""


def digest_of(data: bytes) -> str:
    """Return the digest of bytes as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class _Model(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    pass


class Platform(_Model, frozen=True, kw_only=True):
    """What runs an image, in Go's words."""

    architecture: str
    os: str


class Descriptor(_Model, frozen=True, kw_only=True):
    """What a document says of something else in its repository.

    Attributes:
        media_type: its media type.
        digest: its digest.
        size: its bytes.
        annotations: what is said of it.
        artifact_type: what a manifest is for.
        platform: what runs the image that a manifest is of.

    """

    media_type: str
    digest: Digest
    size: Size
    annotations: Annotations = {}
    artifact_type: str | None = None
    platform: Platform | None = None

    @classmethod
    def of(cls, data: bytes, media_type: str) -> Descriptor:
        """Return what describes some bytes."""
        return cls(media_type=media_type, digest=digest_of(data), size=len(data))

    @property
    def title(self) -> str | None:
        """The name of the file that it is."""
        return self.annotations.get(TITLE)

    @property
    def sha256(self) -> str:
        """The digest, in lower-case hexadecimal."""
        return self.digest.removeprefix("sha256:")


NOTHING = Descriptor.of(b"{}", EMPTY)
"""The configuration of what has none."""


class Manifest(_Model, frozen=True, kw_only=True):
    """A list of blobs.

    Attributes:
        schema_version: 2.
        media_type: of the manifest itself.
        artifact_type: what it is for.
        config: a blob for who runs it.
        layers: the blobs.
        subject: what it is about, to which it is attached.
        annotations: what is said of it.

    """

    schema_version: int
    media_type: str = ""
    artifact_type: str | None = None
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    annotations: Annotations = {}

    @classmethod
    def of(
        cls,
        artifact_type: str,
        layers: Iterable[Descriptor],
        *,
        annotations: Mapping[str, str] | None = None,
        subject: Descriptor | None = None,
    ) -> Manifest:
        """Return the manifest of an artifact that is files."""
        return cls(
            schema_version=_VERSION,
            media_type=MANIFEST,
            artifact_type=artifact_type,
            config=NOTHING,
            layers=tuple(layers),
            subject=subject,
            annotations=dict(annotations or {}),
        )

    @property
    def kind(self) -> str:
        """What it is for: former artifacts say it by the type of their configuration."""
        return self.artifact_type or self.config.media_type

    def layer(self, title: str) -> Descriptor | None:
        """Return the blob that is a file of some name."""
        return next((layer for layer in self.layers if layer.title == title), None)


class Index(_Model, frozen=True, kw_only=True):
    """A list of manifests.

    Attributes:
        schema_version: 2.
        media_type: of the index itself.
        artifact_type: what it is for.
        manifests: the manifests.
        annotations: what is said of it.

    """

    schema_version: int
    media_type: str = ""
    artifact_type: str | None = None
    manifests: tuple[Descriptor, ...]
    annotations: Annotations = {}

    @property
    def kind(self) -> str:
        """What it is for; indexes of container images do not say it."""
        return self.artifact_type or ""

    @classmethod
    def of(
        cls,
        manifests: Iterable[Descriptor],
        *,
        artifact_type: str | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Index:
        """Return an index of manifests."""
        return cls(
            schema_version=_VERSION,
            media_type=INDEX,
            artifact_type=artifact_type,
            manifests=tuple(manifests),
            annotations=dict(annotations or {}),
        )


class Stored(Struct, frozen=True, kw_only=True):
    """A document in a registry, or on its way to one.

    Attributes:
        data: its bytes.
        media_type: its media type.

    """

    data: bytes
    media_type: str

    @classmethod
    def of(cls, document: Manifest | Index) -> Stored:
        """Return a document as it is written."""
        return cls(data=msgspec.json.encode(document), media_type=document.media_type)

    @property
    def descriptor(self) -> Descriptor:
        """What describes it."""
        return Descriptor.of(self.data, self.media_type)

    @property
    def digest(self) -> str:
        """Its digest."""
        return digest_of(self.data)

    @property
    def is_index(self) -> bool:
        """Whether it is an index, and no manifest."""
        return "index" in self.media_type or "list" in self.media_type

    def manifest(self) -> Manifest:
        """Return the manifest that it is.

        Raises:
            UnreadableError: it is none.

        """
        return self._decoded(Manifest)

    def index(self) -> Index:
        """Return the index that it is.

        Raises:
            UnreadableError: it is none.

        """
        return self._decoded(Index)

    def _decoded(self, kind: type[_T]) -> _T:
        try:
            return from_json(self.data, kind)
        except ValueError as error:
            name = kind.__name__.lower()
            raise UnreadableError(f"it is no {name}, as registries hold them: {error}") from None
