"""bakery.json and channel.json: the releases that are published, or that a channel holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.arch import Arch
from bakery.characters import visible
from bakery.decoding import to_json
from bakery.recipe.names import release_name
from bakery.recipe.types import Decoded, Name
from bakery.release.document import Count, Digest, FileName, Tag, decode_strictly, refuse_twice

if TYPE_CHECKING:
    from collections.abc import Iterable

CHANNEL = "channel.json"


class IndexedFile(Decoded, frozen=True, kw_only=True):
    """A file in an index."""

    file: FileName
    size: Count
    sha256: Digest


class IndexedImage(IndexedFile, frozen=True, kw_only=True, omit_defaults=True):
    """An image in an index, and the one for dm-verity beside it."""

    arch: Arch
    verity: IndexedFile | None = None

    @property
    def files(self) -> tuple[IndexedFile, ...]:
        """Its files."""
        return (self, self.verity) if self.verity else (self,)


class IndexedRelease(Decoded, frozen=True, kw_only=True):
    """A release in an index; its files lie in the folder `tag`."""

    name: Name
    version: Tag
    tag: FileName
    images: tuple[IndexedImage, ...]

    def __post_init__(self) -> None:
        """Refuse a tag that is another release's, and an image that is there twice."""
        if self.tag != release_name(self.name, self.version):
            raise ValueError(
                f"{visible(self.tag)} is not the tag of {visible(self.name)} {self.version}"
            )
        refuse_twice(each.file for each in self.images)


class Index(Decoded, frozen=True, kw_only=True):
    """Releases, newest first within each recipe."""

    releases: tuple[IndexedRelease, ...]


def encode(releases: Iterable[IndexedRelease]) -> bytes:
    """Return an index as JSON for people and programs."""
    return to_json(Index(releases=tuple(releases)))


def decode(data: bytes) -> Index:
    """Return the index that `encode` wrote.

    Raises:
        ValueError: the bytes are something else.

    """
    return decode_strictly(data, Index)
