"""A release that moves: public all the time, while its files are replaced by newer ones.

New files come first, each complete before it gets its name; then the index and its signature take
the place of the older ones together, as nearly as the publisher can; only then does go what the
index no longer names. As everywhere in publishing, the steps follow from what is there, so that
they continue after any failure, and heal what is damaged.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from operator import methodcaller
from typing import TYPE_CHECKING

from bakery.publish import release
from bakery.publish.model import NEXT, PublishError, public_of
from bakery.publish.release import DesiredRelease, LocalFile
from bakery.release import sums
from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bakery.publish.model import Publisher, RemoteAsset, RemoteRelease
    from bakery.publish.reconcile import Action


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A file that a moving release must hold.

    Attributes:
        file: the file, whose path is in a scratch folder.
        origin: the release and the file in it to download it from; None when it is there.

    """

    file: LocalFile
    origin: tuple[RemoteRelease, RemoteAsset] | None = None

    @property
    def is_here(self) -> bool:
        """Whether the file need not be downloaded, or has been."""
        return self.origin is None or self.file.path.exists()

    def bring(self, publisher: Publisher) -> None:
        """Download the file."""
        if self.origin is not None:
            partial = self.file.path.with_suffix(".partial")
            publisher.fetch(*self.origin, partial)
            partial.replace(self.file.path)


@dataclass(frozen=True, kw_only=True)
class DesiredChannel:
    """A moving release as it must be.

    Attributes:
        tag: its name.
        notes: its description, in Markdown.
        pieces: its files, the index last.
        old: the names of files that have had their time.

    """

    tag: str
    notes: str
    pieces: tuple[Piece, ...]
    old: frozenset[str]


class Scratch:
    """A folder for files on their way, by digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, data: bytes) -> Piece:
        """Return a file with a content."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._folder / sha256
        path.write_bytes(data)
        return Piece(file=LocalFile(name=name, path=path, size=len(data), sha256=sha256))

    def copy(self, release: RemoteRelease, stored: RemoteAsset) -> Piece:
        """Return a file of a release, to be downloaded when it is needed."""
        sha256 = stored.sha256 or ""
        path = self._folder / sha256
        file = LocalFile(name=stored.name, path=path, size=stored.size, sha256=sha256)
        return Piece(file=file, origin=(release, stored))


def preview(channel: DesiredChannel, remote: Iterable[RemoteRelease]) -> list[str]:
    """Return, for people, what is to change in a moving release.

    Raises:
        PublishError: the publisher lets no release change.

    """
    remote = _here(remote)
    _refuse_immutable(channel.tag, remote)
    public = public_of(each for each in remote if each.tag == channel.tag)
    there = {asset.name: asset for asset in (public.assets if public else ())}
    lines = [
        f"upload {channel.tag}/{piece.file.name} ({format_size(piece.file.size)})"
        for piece in channel.pieces
        if not piece.file.is_stored(there.get(piece.file.name))
    ]
    return [*lines, *(f"delete {channel.tag}/{old.name}" for old in _old(channel, there))]


def steps(channel: DesiredChannel, remote: Iterable[RemoteRelease]) -> list[Action]:
    """Return what to do next for a moving release; nothing when it is as it must be.

    Raises:
        PublishError: the publisher lets no release change.

    """
    remote = _here(remote)
    _refuse_immutable(channel.tag, remote)
    remote = [release for release in remote if release.tag == channel.tag]
    public = public_of(remote)
    if public is None:
        return _bring(channel.pieces) or release.steps(_desired(channel), remote)
    discard = [methodcaller("discard", release) for release in remote if release is not public]
    wrong = [p for p in channel.pieces if not p.file.is_stored(public.asset(p.file.name))]
    staged = [p for p in wrong if p.file.is_stored(public.asset(p.file.name + NEXT))]
    missing = [piece for piece in wrong if piece not in staged]
    if missing:
        return _bring(missing) or [step for p in missing for step in _stage(p.file, public)]
    if staged:
        return [methodcaller("swap", public, [piece.file.name for piece in staged])]
    old = _old(channel, {asset.name: asset for asset in public.assets})
    return [*(methodcaller("delete", public, asset) for asset in old), *discard]


def interrupted(remote: Iterable[RemoteRelease]) -> list[Action]:
    """Return what ends the changes of channels that a run has left in the middle.

    Where an index is not beside its own signature, no host accepts either. All that takes their
    place was there before they began to go.
    """
    return [
        methodcaller("swap", release, _staged(release))
        for release in _here(remote)
        if release.is_public and _is_interrupted(release)
    ]


def _is_interrupted(release: RemoteRelease) -> bool:
    return any(
        release.asset(name) is None and name in _staged(release)
        for name in (sums.SIGNATURE, sums.FILE)
    ) and sums.FILE in _staged(release)


def _staged(release: RemoteRelease) -> list[str]:
    names = [
        asset.name.removesuffix(NEXT)
        for asset in release.assets
        if asset.whole and asset.name.endswith(NEXT)
    ]
    return sorted(names, key=lambda name: (name == sums.FILE, name == sums.SIGNATURE))


def _here(remote: Iterable[RemoteRelease]) -> list[RemoteRelease]:
    """Return the releases that are where channels go."""
    return [release for release in remote if not release.elsewhere]


def _refuse_immutable(tag: str, remote: Sequence[RemoteRelease]) -> None:
    """Refuse a channel where a release can't change, before its first publication freezes it.

    What was published before immutable releases were switched on, or off, stays as it was: so the
    channel itself tells, or else the newest release.
    """
    public = [release for release in remote if release.is_public]
    own = [release for release in public if release.tag == tag]
    newest = own or public
    if newest and newest[0].immutable:
        raise PublishError(
            f"the channel {tag} can't move, since releases are immutable here",
            why=f"{newest[0].tag} is, as the publisher says: nothing in it can be replaced",
            fix="keep channels elsewhere: BAKERY_CHANNELS=directory:site for GitHub Pages or any\n"
            "web server, or github:OWNER/OTHER for a repository without immutable releases;\n"
            "the guide on following a channel tells how",
        )


def _old(channel: DesiredChannel, there: Mapping[str, RemoteAsset]) -> list[RemoteAsset]:
    named = {piece.file.name for piece in channel.pieces}
    return [
        asset
        for name, asset in there.items()
        if name not in named and (name.endswith(NEXT) or name in channel.old)
    ]


def _desired(channel: DesiredChannel) -> DesiredRelease:
    return DesiredRelease(
        tag=channel.tag, notes=channel.notes, files=tuple(p.file for p in channel.pieces)
    )


def _bring(pieces: Sequence[Piece]) -> list[Action]:
    return [piece.bring for piece in pieces if not piece.is_here]


def _stage(file: LocalFile, public: RemoteRelease) -> list[Action]:
    """Return how to bring in a file: beside the one of its name, if that is of any use."""
    there = public.asset(file.name)
    name = file.name if there is None or not there.whole else file.name + NEXT
    in_the_way = public.asset(name)
    delete = [methodcaller("delete", public, in_the_way)] if in_the_way else []
    return [*delete, methodcaller("upload", public, name, file.path)]
