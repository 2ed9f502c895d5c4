"""How one release, channel or index is copied: bring what is missing, then publish it as it is.

Nothing appears at the target before all of it has been brought and compared with its list. What a
target has of the same release is kept, and mended where it is damaged; what it has of another one
of that name is never replaced.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.files import sha256
from bakery.mirror.errors import GoneError, MirrorError
from bakery.mirror.publication import UNLISTED, digest
from bakery.mirror.source import Wanted
from bakery.progress import Silent
from bakery.publish import channel_steps, release
from bakery.publish.channel_steps import DesiredChannel, Piece
from bakery.publish.directory import Directory
from bakery.publish.model import NEXT, public_of
from bakery.publish.reconcile import reconcile
from bakery.publish.release import DesiredRelease, LocalFile
from bakery.publish.release_folder import place
from bakery.release import sums
from bakery.text import STAYS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from bakery.arch import Arch
    from bakery.http.retry import RetryPolicy
    from bakery.mirror.publication import Publication
    from bakery.mirror.scratch import Scratch
    from bakery.progress import Progress
    from bakery.publish.model import Publisher, RemoteRelease
    from bakery.publish.reconcile import Action, Plan

_SETTLES = 5  # times that a channel may move on while it is copied


class _MovedOnError(MirrorError):
    """What is copied has changed at its source since it was read."""

    def __init__(self, where: str) -> None:
        super().__init__(
            "it changes at the source while it is copied", where=where, fix="run it again"
        )


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What copying has brought to the target, or would bring.

    Attributes:
        tag: of what.
        sizes: the bytes of each file.
        note: why something stays as it is; empty where nothing does.

    """

    tag: str
    sizes: dict[str, int]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where is copied to.

    Attributes:
        publisher: the place.
        known: what was there at first.
        retry: how often a failure is met with another look.
        scratch: for files on their way.
        arches: the architectures whose images are copied.
        progress: hears of the bytes.

    """

    publisher: Publisher
    known: Sequence[RemoteRelease]
    retry: RetryPolicy
    scratch: Scratch
    arches: Collection[Arch]
    progress: Progress = field(default_factory=Silent)

    def copy(self, published: Publication) -> Copied:
        """Bring a release, channel or index to the target, or what is missing of it.

        Raises:
            BakeryError: the source does not have what it lists, or the target refuses it.

        """
        known: list[RemoteRelease] | None = self.seen(published.tag)
        for _ in range(_SETTLES - 1):
            try:
                return self._settled(_Copying(self, published), known)
            except (_MovedOnError, GoneError):
                now = published.again()
                if now is None or now.reader.index == published.reader.index:
                    raise
                published, known = now, None
        return self._settled(_Copying(self, published), None)

    def preview(self, published: Publication) -> Copied:
        """Return what copying would bring."""
        seen = self.seen(published.tag)
        work = _Copying(self, published)
        lacking = work.lacking(seen)
        sizes = {
            each.name: published.source.size(published.tag, each.name)
            if each.size is None
            else each.size
            for each in lacking
        }
        return Copied(tag=published.tag, sizes=sizes, note=work.newer_there(public_of(seen)))

    def local(self, tags: Iterable[str], wanted: Wanted) -> Path | None:
        """Return a file of these bytes that the target, a folder, has in one of some releases."""
        if isinstance(self.publisher, Directory):
            for path in (self.publisher.root / tag / wanted.name for tag in sorted(tags)):
                if path.is_file() and sha256(path) == wanted.sha256:
                    return path
        return None

    def seen(self, tag: str) -> list[RemoteRelease]:
        """Return what was at the target under a tag at first."""
        return [each for each in self.known if each.tag == tag]

    def put(self, tag: str, files: Iterable[LocalFile]) -> None:
        """Add files to what has a tag at the target, and changes nothing else of it."""
        pieces = tuple(Piece(file=file) for file in files)
        channel = DesiredChannel(tag=tag, notes="", pieces=pieces, old=frozenset())
        self._reconcile(tag, partial(channel_steps.steps, channel))

    def _settled(self, work: _Copying, known: Sequence[RemoteRelease] | None) -> Copied:
        tag = work.published.tag
        self._reconcile(tag, work.plan, known)
        for path in work.brought.values():
            if path.parent == self.scratch.folder:
                path.unlink(missing_ok=True)
        work.published.reader.forget()  # a mirror may have thousands of releases
        return Copied(tag=tag, sizes={} if work.note else work.sizes, note=work.note)

    def _reconcile(
        self, tag: str, plan: Plan, known: Sequence[RemoteRelease] | None = None
    ) -> None:
        look = partial(self.publisher.find, tag)
        reconcile(tag, self.publisher, self.retry, look=look, plan=plan, known=known)


class _Copying:
    """One publication's way to a target, step by step.

    Attributes:
        published: what is copied.
        brought: where files are that the target lacks, by digest.
        sizes: the bytes of these, by name.
        note: why it stays as it is at the target; empty where it does not.

    """

    def __init__(self, target: Target, published: Publication) -> None:
        self.published = published
        self.brought: dict[str, Path] = {}
        self.sizes: dict[str, int] = {}
        self.note = ""
        self._target = target
        self._beside: dict[str, bytes] = {}
        self._lists: dict[str | None, bytes] = {}

    def plan(self, remote: Sequence[RemoteRelease]) -> list[Action]:
        """Return what to do next; nothing when the target has it."""
        public = public_of(remote)
        self.note = self.newer_there(public)
        if self.note:
            return []
        lacking = self.lacking(remote)
        missing = [each for each in lacking if each.sha256 not in self.brought]
        if missing:
            return [partial(self._bring, each) for each in missing]
        files = self._files(remote)
        if self.published.kind == "release" and not self._is_damaged(public, files):
            return self._publish(files, remote, public)
        listed = {*self.published.reader.digests, *UNLISTED}
        channel = DesiredChannel(
            tag=self.published.tag,
            notes="" if public else self.published.description(),
            pieces=tuple(Piece(file=file) for file in files),
            old=frozenset(_names(public) - listed),
        )
        steps = channel_steps.steps(channel, remote)
        if steps and not self.published.is_still():
            raise _MovedOnError(self.published.reader.base)
        return steps

    def lacking(self, remote: Sequence[RemoteRelease]) -> list[Wanted]:
        """Return what neither the target has nor our draft there."""
        there = _there(remote)
        return [each for each in self._wanted(remote) if (each.name, each.sha256) not in there]

    def newer_there(self, public: RemoteRelease | None) -> str:
        """Return why a channel is to stay as the target has it; empty where it is to move."""
        if self.published.kind == "release" or public is None:
            return ""
        stored = public.asset(sums.FILE)
        if stored is None or stored.sha256 == digest(self.published.reader.index):
            return ""
        if stored.sha256 not in self._lists:
            path = self._target.scratch.folder / "list"
            self._target.publisher.fetch(public, stored, path)
            self._lists[stored.sha256] = path.read_bytes()
        try:
            theirs = sums.best_before(self._lists[stored.sha256])
            ours = sums.best_before(self.published.reader.index)
        except ValueError:
            return ""  # it is damaged, and heals
        if theirs is None or (ours is not None and ours >= theirs):
            return ""
        return (
            f"{STAYS}{self.published.tag}, since the target's list is newer: to be believed until"
            f" {theirs}, the source's until {ours or 'any day'}"
        )

    def _wanted(self, remote: Sequence[RemoteRelease]) -> list[Wanted]:
        """Return all files; those that no list names are asked for only where something is new."""
        wanted = self.published.listed(self._target.arches)
        public = public_of(remote)
        own = Wanted(name=sums.FILE, sha256=digest(self.published.reader.index))
        if public and self._has(public, [*wanted, own, *self.published.signatures()]):
            kept = (public.asset(name) for name in UNLISTED)
            return wanted + [
                Wanted(name=each.name, sha256=each.sha256 or "", size=each.size)
                for each in kept
                if each
            ]
        self._beside = self._beside or self.published.beside()
        beside = [
            Wanted(name=name, sha256=digest(data), size=len(data))
            for name, data in self._beside.items()
        ]
        return sorted([*wanted, *beside], key=lambda each: (place(each.name), each.name))

    def _has(self, public: RemoteRelease, wanted: Iterable[Wanted]) -> bool:
        """Return whether the target has some files, and for people the other signature."""
        there = {(each.name, each.sha256) for each in public.assets}
        is_signed = self.published.keyring is None or public.asset(sums.ARMORED) is not None
        return is_signed and all((each.name, each.sha256) in there for each in wanted)

    def _bring(self, wanted: Wanted, _publisher: Publisher) -> None:
        """Have a file on this computer: from a former run, the target's own, or the source."""
        scratch, tag = self._target.scratch, self.published.tag
        if path := scratch.find(wanted.sha256):
            pass
        elif wanted.name in self._beside:
            path = scratch.write(wanted.sha256, self._beside[wanted.name])
        elif wanted.name not in self.published.images:
            path = scratch.write(wanted.sha256, self.published.reader.read(wanted.name))
        elif not (path := self._target.local(self.published.releases, wanted)):
            path = self.published.source.bring(tag, wanted, scratch, self._target.progress)
        self.brought[wanted.sha256] = path
        self.sizes[wanted.name] = path.stat().st_size

    def _files(self, remote: Sequence[RemoteRelease]) -> tuple[LocalFile, ...]:
        there = _there(remote)
        return tuple(
            LocalFile(
                name=each.name,
                path=self.brought.get(each.sha256, Path()),
                size=there.get((each.name, each.sha256)) or self.sizes.get(each.name, 0),
                sha256=each.sha256,
            )
            for each in self._wanted(remote)
        )

    def _is_damaged(self, public: RemoteRelease | None, files: Sequence[LocalFile]) -> bool:
        """Return whether the target has this very release, but for some of its bytes."""
        own = {file.name: file for file in files}
        stored = [(public.asset(name), own.get(name)) for name in UNLISTED[:2]] if public else []
        same = any(file and file.is_stored(asset) for asset, file in stored)
        return (
            same
            and public is not None
            and any(not file.is_stored(public.asset(file.name)) for file in files)
        )

    def _publish(
        self,
        files: tuple[LocalFile, ...],
        remote: Sequence[RemoteRelease],
        public: RemoteRelease | None,
    ) -> list[Action]:
        tag = self.published.tag
        text = "" if public else self.published.description()
        desired = DesiredRelease(tag=tag, notes=text, files=files)
        steps = release.steps(desired, remote)
        if (
            public
            and not steps
            and not all(file.is_stored(public.asset(file.name)) for file in files)
        ):
            self.note = f"{STAYS}{tag}, since the target has the same images with another signature"
        return steps


def _names(public: RemoteRelease | None) -> set[str]:
    return {asset.name for asset in public.assets} if public else set()


def _there(remote: Sequence[RemoteRelease]) -> dict[tuple[str, str | None], int]:
    """Return the bytes of what need not be brought: in what is public, else in our draft."""
    own = next((each for each in remote if each.visibility == "draft"), None)
    base = public_of(remote) or own
    return {
        (asset.name.removesuffix(NEXT), asset.sha256): asset.size
        for asset in (base.assets if base else ())
        if asset.whole
    }
