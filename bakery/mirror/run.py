"""A whole mirror: assets, then releases, then the channels that list them, and the index last."""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.errors import BakeryError
from bakery.http.breaker import GivenUpError
from bakery.http.retry import RetryPolicy
from bakery.mirror.assets import Assets, missing
from bakery.mirror.choice import Choice
from bakery.mirror.copy import Target
from bakery.mirror.errors import MirrorError
from bakery.mirror.scratch import scratch
from bakery.mirror.source import Folder, Published, Served
from bakery.publish.model import UnsettledError
from bakery.publish.publishers import named
from bakery.recipe.names import ASSETS
from bakery.release.keyring import Keyring
from bakery.settings import expanded, publisher_of
from bakery.store.folder import Store
from bakery.text import STAYS, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bakery.mirror.choice import Selection
    from bakery.mirror.copy import Copied
    from bakery.mirror.publication import Publication
    from bakery.mirror.scratch import Scratch
    from bakery.mirror.source import Source
    from bakery.progress import Progress
    from bakery.publish.model import Publisher
    from bakery.release.document import ReleasedAsset
    from bakery.settings import Settings

_SERVED = ("http://", "https://")
_FOLDER = "directory:"


@dataclass(frozen=True, kw_only=True)
class Mirroring:
    """What is to be mirrored, and how.

    Attributes:
        sources: where from, as people write places.
        target: where to.
        selection: what.
        keyring: public keys, one of which must have signed it; None does without a signature.
        with_assets: whether upstream's assets are copied, too.
        settings: the store, and how upstream is asked.
        begun: provides what hears of the bytes of something, by its name.
        retry: how often a failure is met with another try.

    """

    sources: Sequence[str]
    target: str
    selection: Selection
    keyring: Path | None
    with_assets: bool
    settings: Settings
    begun: Callable[[str], Progress]
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    def run(self) -> Iterator[str | tuple[str, BakeryError]]:
        """Copy; yield a line for what is done or left out, and the failures with their tags.

        Raises:
            MirrorError: a place or a name makes no sense.
            BakeryError: the keyring, a source or the target can't be read at all.

        """
        with self._opened() as (choice, target):
            yield from choice.notes
            failed = _Failures()
            yield from failed.several(choice.failures.items())
            total = _Total()
            if self.with_assets:
                yield from self._assets(choice, target, total, failed)
            for each in (*choice.releases, *choice.channels, *choice.index):
                if lost := failed.needed(each):
                    yield from failed.without(each.tag, lost)
                    continue
                progress = self.begun(each.tag)
                try:
                    done = replace(target, progress=progress).copy(each)
                except BakeryError as error:
                    yield from failed.several([(each.tag, error)])
                else:
                    total.add(done)
                    yield from _told("copied", done)
            if not failed.by_tag:
                target.scratch.clear()
            yield from failed.outages()
            yield total.told()

    def preview(self) -> Iterator[str | tuple[str, BakeryError]]:
        """Yield what `run` would do, likewise."""
        with self._opened() as (choice, target):
            yield from choice.notes
            failed = _Failures()
            yield from failed.several(choice.failures.items())
            total = _Total("to copy")
            if self.with_assets:
                for asset in missing(_assets(choice), target):
                    total.count(asset.size or 0)
                    yield f"copy {asset.url}: {format_size(asset.size or 0)}"
            for each in (*choice.releases, *choice.channels, *choice.index):
                try:
                    done = target.preview(each)
                except BakeryError as error:
                    yield from failed.several([(each.tag, error)])
                else:
                    total.add(done)
                    yield from _told("copy", done)
            yield from failed.outages()
            yield total.told()

    def _assets(
        self, choice: Choice, target: Target, total: _Total, failed: _Failures
    ) -> Iterator[str | tuple[str, BakeryError]]:
        failures: list[tuple[str, BakeryError]] = []
        finder = Assets(
            sources=choice.sources,
            store=Store(self.settings.store),
            settings=self.settings,
        )
        count = size = 0
        target = replace(target, progress=self.begun(ASSETS))
        try:
            for each in finder.copy(_assets(choice), target, lambda *why: failures.append(why)):
                count, size = count + 1, size + each
                total.count(each)
        except BakeryError as error:
            failures.append((ASSETS, error))
        if count:
            yield f"copied {ASSETS}: {_counted(count)}, {format_size(size)}"
        yield from failed.several(failures, needed=False)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Choice, Target]]:
        if self.keyring:
            Keyring.read(self.keyring)  # what is wrong with it is said once, not for every release
        store = Store(self.settings.store)
        with ExitStack() as stack:
            with store.explained():
                own = stack.enter_context(scratch(store))
            choice = Choice(self._sources(own), self.selection, self.keyring)
            publisher = self._named(_target(self.target), own)
            known = self.retry.run(publisher.releases, error=UnsettledError)
            target = Target(
                publisher=publisher,
                known=known,
                retry=self.retry,
                scratch=own,
                arches=self.selection.arches,
            )
            yield choice, target

    def _sources(self, own: Scratch) -> list[Source]:
        return [self._source(place, own) for place in self.sources]

    def _source(self, place: str, own: Scratch) -> Source:
        if place.startswith(_SERVED):
            return Served(place.rstrip("/"))
        known = publisher_of(place)
        if known and not known.startswith(_FOLDER):
            publisher = self._named(known, own)
            return Published(publisher, known, Store(self.settings.store), self.retry)
        folder = _folder(place)
        if not folder.is_dir():
            raise MirrorError("there is no such folder to copy from", where=place, fix=_PLACES)
        return Folder(folder)

    def _named(self, place: str, own: Scratch) -> Publisher:
        return named(place, replace(self.settings, root=Path.cwd()), own.owner)


_PLACES = "name a folder, a web server's address (to read), github:OWNER/REPO or oci:HOST/PATH"


def _target(place: str) -> str:
    if place.startswith(_SERVED):
        raise MirrorError("a web server is only read", where=place, fix=_PLACES)
    known = publisher_of(place)
    if known and not known.startswith(_FOLDER):
        return known
    if re.match("[a-z]+:", place) and not known:
        raise MirrorError("this names no place to copy to", where=place, fix=_PLACES)
    folder = _folder(place)
    if folder.exists() and not folder.is_dir():
        raise MirrorError("there is a file where the mirror is to be", where=place, fix=_PLACES)
    return f"{_FOLDER}{folder}"


def _folder(place: str) -> Path:
    path = place.removeprefix(_FOLDER)
    if not path:
        raise MirrorError("a place to copy from or to is empty", fix=_PLACES)
    try:
        return expanded(path).absolute()
    except ValueError as error:
        raise MirrorError("this is no folder", where=place, fix=f"give {error}") from None


def _assets(choice: Choice) -> list[ReleasedAsset]:
    """Return what all chosen releases were made of."""
    documents = (each.document for each in choice.releases)
    return [asset for document in documents if document for asset in document.assets]


class _Failures:
    """What could not be copied; a place that could not be reached is told of once.

    Attributes:
        by_tag: why, by the tags of what others need.

    """

    def __init__(self) -> None:
        self.by_tag: dict[str, BakeryError] = {}
        self._outages: dict[str, tuple[GivenUpError, list[str]]] = {}

    def several(
        self, failures: Iterable[tuple[str, BakeryError]], *, needed: bool = True
    ) -> Iterator[tuple[str, BakeryError]]:
        """Take note of failures, with the names of what failed; yield those to tell of now."""
        for name, error in failures:
            if needed:
                self.by_tag[name] = error
            if isinstance(error, GivenUpError):
                self._outages.setdefault(str(error.where), (error, []))[1].append(name)
            else:
                yield name, error

    def needed(self, each: Publication) -> str | None:
        """Return what failed of that which a channel lists, or of all beside the index."""
        if each.kind == "index":
            return next(iter(self.by_tag), None)
        return next((tag for tag in sorted(each.releases) if tag in self.by_tag), None)

    def without(self, tag: str, lost: str) -> Iterator[str | tuple[str, BakeryError]]:
        """Yield what there is to say of what stays as it is for what has failed."""
        error = self.by_tag[lost]
        if isinstance(error, GivenUpError):
            yield from self.several([(tag, error)])
        else:
            yield f"{STAYS}{tag}, since {lost} could not be copied"

    def outages(self) -> Iterator[tuple[str, BakeryError]]:
        """Yield why places could not be reached any more, and what is not copied for that."""
        for place, (error, names) in self._outages.items():
            yield place, error.about(names)


def _counted(files: int) -> str:
    return f"{files} file{'s' * (files != 1)}"


def _told(verb: str, done: Copied) -> Iterator[str]:
    if done.note:
        yield done.note
    elif done.sizes:
        size = format_size(sum(done.sizes.values()))
        yield f"{verb} {done.tag}: {_counted(len(done.sizes))}, {size}"


@dataclass
class _Total:
    verb: str = "copied"
    files: int = 0
    size: int = 0

    def add(self, done: Copied) -> None:
        for size in done.sizes.values():
            self.count(size)

    def count(self, size: int) -> None:
        self.files += 1
        self.size += size

    def told(self) -> str:
        if not self.files:
            return "all of it is there"
        return f"{self.verb} in all: {_counted(self.files)}, {format_size(self.size)}"
