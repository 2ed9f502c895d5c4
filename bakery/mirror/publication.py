"""One release, channel or index at a source, verified as its consumers do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bakery.mirror.source import Wanted
from bakery.publish import channel
from bakery.publish.release_folder import place
from bakery.recipe.names import INDEX
from bakery.release import identity, notes, sums

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.mirror.source import Source
    from bakery.release.document import ReleaseDocument
    from bakery.release.index import IndexedRelease
    from bakery.release.reader import ReleaseReader

Kind = Literal["release", "channel", "index"]

UNLISTED = (sums.FILE, sums.SIGNATURE, sums.ARMORED, notes.FILE)


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of a release or in a channel."""

    arch: Arch
    size: int


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A release, channel or index.

    Attributes:
        tag: its name.
        kind: which of them it is.
        source: where it is.
        reader: reads its small files.
        images: its images, and those of releases in an index, by file.
        releases: a release's own tag, or those of what a channel or index lists.
        recipes: the names of their recipes.
        document: a release's release.json.
        keyring: the keys that may have signed it; None where no signature is asked for.

    """

    tag: str
    kind: Kind
    source: Source
    reader: ReleaseReader
    images: dict[str, Image]
    releases: frozenset[str]
    recipes: frozenset[str]
    document: ReleaseDocument | None
    keyring: Path | None

    def again(self) -> Publication | None:
        """Return it as it is now; None where it is gone."""
        return find(self.source, self.tag, self.keyring)

    def is_still(self) -> bool:
        """Return whether its list at the source is the one that was read."""
        now = self.source.reader(self.tag)
        return now is not None and now.index == self.reader.index

    def has(self, arches: Collection[str]) -> bool:
        """Return whether it has anything for an architecture among some."""
        return self.kind == "index" or any(each.arch in arches for each in self.images.values())

    def listed(self, arches: Collection[str]) -> list[Wanted]:
        """Return its files but for images for other architectures, those that come last behind."""
        wanted = [
            Wanted(name=name, sha256=digest, size=image.size if image else None)
            for name, digest in self.reader.digests.items()
            for image in (self.images.get(name),)
            if image is None or image.arch in arches
        ]
        return sorted(wanted, key=lambda each: (place(each.name), each.name))

    def signatures(self) -> list[Wanted]:
        """Return the signature of its list, which was verified; none where none is asked for."""
        if self.keyring is None:
            return []
        data = self.reader.signature()
        return [Wanted(name=sums.SIGNATURE, sha256=digest(data), size=len(data))]

    def beside(self) -> dict[str, bytes]:
        """Return what its list does not name: signatures, which hold, the notes, the list itself.

        Raises:
            ReleaseError: the armored signature is another key's.

        """
        found = {name: self.reader.beside(name) for name in UNLISTED[1:3]}
        if found[sums.ARMORED] and self.keyring:
            self.reader.signed_by(self.keyring, sums.ARMORED)
        if self.kind == "release":
            found[notes.FILE] = self.reader.beside(notes.FILE)
        there = {name: data for name, data in found.items() if data is not None}
        return {**there, sums.FILE: self.reader.index}

    def description(self) -> str:
        """Return what people may read of it, in Markdown."""
        if self.kind != "release":
            return channel.notes(self.tag)
        return (self.reader.beside(notes.FILE) or b"").decode("utf-8", "replace")


def find(source: Source, tag: str, keyring: Path | None) -> Publication | None:
    """Return what a source has under a tag, verified but for its images; None where it has nothing.

    Args:
        source: where.
        tag: the name.
        keyring: public keys, one of which must have signed it; None does without a signature.

    Raises:
        ReleaseError: it is altered, out of date, not signed by one of them, or contradicts itself.
        MissingToolError: gpg is not installed.

    """
    reader = source.reader(tag)
    if reader is None:
        return None
    if keyring is not None:
        reader.check_signature(keyring)
    described = None
    kind: Kind = "channel"
    if tag == INDEX:
        kind, listed = "index", identity.everything(reader)
    elif identity.is_release(reader):
        kind, described, listed = "release", identity.release(reader), ()
    else:
        listed = identity.channel(reader)
    return Publication(
        tag=tag,
        kind=kind,
        source=source,
        reader=reader,
        images=dict(_images(listed, described)),
        releases=frozenset([tag] if described else [each.tag for each in listed]),
        recipes=frozenset([described.name] if described else [each.name for each in listed]),
        document=described,
        keyring=keyring,
    )


def _images(
    listed: tuple[IndexedRelease, ...], described: ReleaseDocument | None
) -> Iterator[tuple[str, Image]]:
    images = described.images if described else [each for one in listed for each in one.images]
    for image in images:
        for file in image.files:
            yield file.file, Image(arch=image.arch, size=file.size)


def digest(data: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
