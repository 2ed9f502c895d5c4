"""What is published, read from the names of releases and of their files alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import msgspec

from bakery.arch import Arch
from bakery.recipe.version import Version
from bakery.release import document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakery.publish.model import Posted, Stored


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """A public release of a recipe at one version.

    Attributes:
        name: the recipe's.
        version: upstream's tag.
        posted: what the publisher has.
        images: its images by architecture; those whose digest the publisher knows.

    """

    name: str
    version: str
    posted: Posted
    images: dict[Arch, Stored]


def editions(found: Iterable[Posted]) -> list[Edition]:
    """Return what is public, newest first within each recipe; channels are none of it."""
    read = (_edition(posted) for posted in found if posted.visibility == "public")
    known = [edition for edition in read if edition is not None]
    known.sort(key=lambda edition: (Version.parse(edition.version), edition.version), reverse=True)
    return sorted(known, key=lambda edition: edition.name)


def _edition(posted: Posted) -> Edition | None:
    parts = _split(posted.tag)
    names: dict[Arch, Stored | None] = {
        arch: posted.asset(f"{posted.tag}-{arch}.raw") for arch in get_args(Arch)
    }
    images = {
        arch: image for arch, image in names.items() if image and image.whole and image.sha256
    }
    if parts is None or not images or posted.asset(document.FILE) is None:
        return None
    return Edition(name=parts[0], version=parts[1], posted=posted, images=images)


def _split(tag: str) -> tuple[str, str] | None:
    words = tag.split("-")
    for at in range(1, len(words)):
        name, version = "-".join(words[:at]), "-".join(words[at:])
        if Version.is_written(version):
            return name, version
    return None


class IndexedImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image in the index."""

    arch: Arch
    file: str
    size: int
    sha256: str


class IndexedRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A release in the index; its files lie in the folder `tag`."""

    name: str
    version: str
    tag: str
    images: tuple[IndexedImage, ...]


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is published."""

    releases: tuple[IndexedRelease, ...]


def index(found: Iterable[Posted]) -> bytes:
    """Return the text of bakery.json, the index of everything that is published."""
    listed = Index(
        releases=tuple(
            IndexedRelease(
                name=edition.name,
                version=edition.version,
                tag=edition.posted.tag,
                images=tuple(
                    IndexedImage(
                        arch=arch, file=image.name, size=image.size, sha256=image.sha256 or ""
                    )
                    for arch, image in edition.images.items()
                ),
            )
            for edition in editions(found)
        )
    )
    return msgspec.json.format(msgspec.json.encode(listed), indent=1) + b"\n"
