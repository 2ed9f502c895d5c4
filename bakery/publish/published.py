"""What is published, as every public release's own release.json says.

A tag is only an address: which recipe and version a release is of, and which of its files are
images, is said by its release.json, and holds if the files are there as it names them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from bakery.arch import Arch  # noqa: TC001  msgspec reads the annotations
from bakery.recipe.names import ImageName
from bakery.recipe.version import Version
from bakery.release import document
from bakery.release.index import IndexedImage, IndexedRelease

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bakery.publish.model import Publisher, RemoteAsset, RemoteRelease
    from bakery.release.document import ReleaseDocument
    from bakery.store.folder import Store


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """A public release of a recipe at one version.

    Attributes:
        name: the recipe's.
        version: upstream's version.
        posted: what the publisher has.
        images: its images by architecture.

    """

    name: str
    version: Version
    posted: RemoteRelease
    images: dict[Arch, RemoteAsset]


class Catalogue:
    """Reads what public releases say of themselves.

    Attributes:
        refused: why releases are left out, by tag.

    """

    def __init__(self, publisher: Publisher, store: Store) -> None:
        """Read from a publisher; what was read once is kept.

        Args:
            publisher: where releases are.
            store: keeps each release.json by its digest.

        """
        self.refused: dict[str, str] = {}
        self._publisher = publisher
        self._store = store

    def editions(self, found: Iterable[RemoteRelease], name: str | None = None) -> list[Edition]:
        """Return what is public, newest first within each recipe; channels are none of it.

        Args:
            found: what is at the publisher.
            name: the recipe whose releases are asked for; None for all.

        Raises:
            UnsettledError: a release.json can't be downloaded now.

        """
        editions = []
        for posted in found:
            if posted.visibility != "public" or posted.asset(document.FILE) is None:
                continue
            if name is not None and not posted.tag.startswith(f"{name}-"):
                continue
            try:
                edition = self._edition(posted)
            except ValueError as error:
                self.refused[posted.tag] = str(error)
            else:
                editions.append(edition)
        editions.sort(key=lambda edition: (edition.version, edition.posted.tag), reverse=True)
        editions.sort(key=lambda edition: edition.name)
        return [edition for edition in editions if name in (None, edition.name)]

    def _edition(self, posted: RemoteRelease) -> Edition:
        described = document.decode(self._read(posted))
        if described.tag != posted.tag:
            raise ValueError(f"its {document.FILE} is of {described.tag}")
        images = dict(_images(described, posted))
        if not images:
            raise ValueError(f"its {document.FILE} names no image file")
        return Edition(
            name=described.name,
            version=Version.parse(described.version),
            posted=posted,
            images=images,
        )

    def _read(self, posted: RemoteRelease) -> bytes:
        stored = posted.asset(document.FILE)
        if stored is None or not stored.whole or stored.sha256 is None:
            raise ValueError(f"its {document.FILE} is not whole, or of unknown digest")
        path = self._store.find(stored.sha256)
        if path is None:
            self._store.partials.mkdir(parents=True, exist_ok=True)
            partial = self._store.partials / f"{stored.sha256}.{document.FILE}"
            self._publisher.fetch(posted, stored, partial)
            path = self._store.adopt(partial, stored.sha256)
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != stored.sha256:
            self._store.discard(stored.sha256)
            raise ValueError(f"its {document.FILE} has changed in the store; run again")
        return data


def _images(
    described: ReleaseDocument, posted: RemoteRelease
) -> Iterator[tuple[Arch, RemoteAsset]]:
    for image in described.images:
        if image.format == "folder":
            continue
        if image.file != ImageName(described.name, described.version, image.arch).file:
            raise ValueError(f"{image.file} is not what {posted.tag} is called")
        stored = posted.asset(image.file)
        if (
            stored is None
            or not stored.whole
            or (stored.size, stored.sha256) != (image.size, image.sha256)
        ):
            raise ValueError(f"{image.file} is not the file that its {document.FILE} names")
        yield image.arch, stored


def indexed(edition: Edition) -> IndexedRelease:
    """Return a release as an index lists it."""
    return IndexedRelease(
        name=edition.name,
        version=edition.version.tag,
        tag=edition.posted.tag,
        images=tuple(
            IndexedImage(arch=arch, file=image.name, size=image.size, sha256=image.sha256 or "")
            for arch, image in edition.images.items()
        ),
    )
