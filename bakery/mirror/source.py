"""Where is copied from: folders, web servers, and publishers with an interface of their own."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, unquote

from bakery.files import sha256
from bakery.http.breaker import Breaker
from bakery.http.client import Client
from bakery.http.errors import RefusedError, RequestError, TransientError
from bakery.http.limits import too_large
from bakery.http.ranges import number
from bakery.mirror.errors import MirrorError, altered, gone
from bakery.publish.model import UnsettledError
from bakery.recipe.names import INDEX
from bakery.release import identity, sums
from bakery.release.reader import ReleaseReader
from bakery.store.errors import WrongBytesError
from bakery.store.partial import Partial
from bakery.store.pull import Expected, Pull, is_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime
    from pathlib import Path
    from typing import TypeVar

    from bakery.http.retry import RetryPolicy
    from bakery.mirror.scratch import Scratch
    from bakery.progress import Progress
    from bakery.publish.model import Publisher, RemoteAsset, RemoteRelease
    from bakery.store.folder import Store

    _T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file that is to be copied.

    Attributes:
        name: what it is called.
        sha256: its digest.
        size: its bytes; None where nobody has said.

    """

    name: str
    sha256: str
    size: int | None = None


class Source(Protocol):
    """A place where things are published, each in a folder of its tag."""

    @property
    def where(self) -> str:
        """Its address, for people."""

    def tags(self) -> Collection[str]:
        """Return the tags of what is there, as far as that can be told without asking for each.

        Raises:
            BakeryError: the place can't be read.

        """

    def reader(self, tag: str) -> ReleaseReader | None:
        """Return the reader of what has a tag, as it is now; None where there is nothing.

        Raises:
            BakeryError: it can't be read.

        """

    def size(self, tag: str, name: str) -> int:
        """Return how many bytes a file has; 0 where the place does not tell."""

    def bring(self, tag: str, file: Wanted, scratch: Scratch, progress: Progress) -> Path:
        """Return where a file of just these bytes lies on this computer, once it does.

        Raises:
            GoneError: there is no such file.
            BakeryError: it can't be had, or has other bytes.

        """


class Served:
    """A web server's folder: no more is known of it than its own index says.

    Args:
        base: the address, without a slash at its end.

    """

    def __init__(self, base: str) -> None:
        self.where = base
        client = Client()
        self._client = replace(client, retry=Breaker.of(base, client.retry))

    def tags(self) -> Collection[str]:
        """Return what the index lists, and the index's own tag; nothing where there is none."""
        reader = self.reader(INDEX)
        if reader is None:
            return []
        return [*(each.tag for each in identity.everything(reader)), INDEX]

    def reader(self, tag: str) -> ReleaseReader | None:
        """Return the reader of what has a tag."""
        return ReleaseReader.find(self._url(tag), self._client)

    def size(self, tag: str, name: str) -> int:
        """Ask for a file's bytes."""
        try:
            answer = self._client.request("HEAD", self._url(tag, name))
        except RequestError:
            return 0
        return number(answer.headers.get("Content-Length")) or 0

    def bring(self, tag: str, file: Wanted, scratch: Scratch, progress: Progress) -> Path:
        """Download a file, or what is missing of it."""
        url = self._url(tag, file.name)
        expected = Expected(sha256=file.sha256, size=file.size)
        with Partial(scratch.partials, file.sha256) as partial:
            pull = Pull(partial=partial, expected=expected, progress=progress, client=self._client)
            try:
                pull.complete(url)
            except WrongBytesError as error:
                found = (error.why or "").partition("received: ")[2]
                raise altered(url, file.sha256, found) from None
            except (RefusedError, TransientError) as error:
                if is_missing(error):
                    raise gone(url) from None
                raise MirrorError(
                    "a file can't be downloaded",
                    where=url,
                    why=str(error),
                    fix="run it again: it goes on from here",
                ) from error
            path = scratch.adopt(partial.path, file.sha256)
            partial.discard()
        return path

    def _url(self, *names: str) -> str:
        return "/".join((self.where, *map(quote, names)))


class Folder(Served):
    """A folder of this computer."""

    def __init__(self, folder: Path) -> None:
        """Read a folder, which is absolute."""
        super().__init__(folder.as_uri())
        self._folder = folder

    def tags(self) -> Collection[str]:
        """Return the folders that have a list, and those of images where it may be lost."""
        folders = sorted(path for path in self._folder.iterdir() if not path.name.startswith("."))
        return [
            path.name
            for path in folders
            if os.access(path / sums.FILE, os.F_OK) or any(path.glob("*.raw"))
        ]

    def size(self, tag: str, name: str) -> int:
        """Look at a file's bytes."""
        path = self._folder / tag / name
        return path.stat().st_size if path.is_file() else 0

    def bring(self, tag: str, file: Wanted, scratch: Scratch, progress: Progress) -> Path:  # noqa: ARG002  it is here
        """Read a file, which stays where it is."""
        path = self._folder / tag / file.name
        try:
            if not path.is_file():
                raise gone(str(path))
            found = sha256(path)
        except OSError as error:
            raise MirrorError(
                "a file can't be read", where=str(path), why=error.strerror, fix="mend its rights"
            ) from error
        if found != file.sha256:
            raise altered(str(path), file.sha256, f"sha256 {found}")
        return path


class Published:
    """What a publisher with an interface of its own has, such as GitHub.

    Args:
        publisher: the publisher.
        where: its address, for people.
        store: keeps small files by their digests, so that they are asked for once.
        retry: how often a failure is met with another try.

    """

    def __init__(self, publisher: Publisher, where: str, store: Store, retry: RetryPolicy) -> None:
        self.where = where
        self._publisher = publisher
        self._store = store
        self._retry = Breaker.of(where, retry)
        self._read: set[str] = set()

    @cached_property
    def _public(self) -> dict[str, RemoteRelease]:
        found = self._settled(self._publisher.releases)
        return {each.tag: each for each in found if each.is_public}

    def tags(self) -> Collection[str]:
        """Return all tags."""
        return self._public

    def reader(self, tag: str) -> ReleaseReader | None:
        """Return the reader of what has a tag; from the second time on, as it is by then."""
        if tag in self._read:
            found = self._settled(lambda: self._publisher.find(tag))
            self._public.pop(tag, None)
            self._public.update((each.tag, each) for each in found if each.is_public)
        self._read.add(tag)
        if tag not in self._public:
            return None
        files = _Files(lambda name: self._small(self._public[tag], name))
        return ReleaseReader.find(f"{self.where}/{quote(tag)}", files)

    def size(self, tag: str, name: str) -> int:
        """Return a file's bytes."""
        stored = self._public[tag].asset(name)
        return stored.size if stored else 0

    def bring(self, tag: str, file: Wanted, scratch: Scratch, progress: Progress) -> Path:
        """Download a file."""
        where = f"{self.where}/{tag}/{file.name}"
        release = self._public.get(tag)
        stored = release and release.asset(file.name)
        if not release or not stored or not stored.whole:
            raise gone(where)
        if stored.sha256 != file.sha256:
            raise altered(where, file.sha256, f"sha256 {stored.sha256}")
        progress.expect(stored.size)
        return scratch.adopt(self._fetched(release, stored, scratch.partials), file.sha256)

    def _small(self, release: RemoteRelease, name: str) -> Path:
        stored = release.asset(name)
        if stored is None or not stored.whole:
            raise RefusedError("there is no such file", status=HTTPStatus.NOT_FOUND)
        if stored.sha256 is None:
            raise RefusedError(
                "its digest is not known there: it was uploaded before there were any"
            )
        return self._store.find(stored.sha256) or self._store.adopt(
            self._fetched(release, stored, self._store.partials), stored.sha256
        )

    def _fetched(self, release: RemoteRelease, stored: RemoteAsset, folder: Path) -> Path:
        from os import getpid

        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{stored.sha256}.{getpid()}"
        self._settled(lambda: self._publisher.fetch(release, stored, partial))
        return partial

    def _settled(self, ask: Callable[[], _T]) -> _T:
        return self._retry.run(ask, error=UnsettledError)


@dataclass(frozen=True)
class _Files:
    """Small files of one release, as `ReleaseReader` asks for them."""

    path: Callable[[str], Path]

    def copy(self, url: str, write: Callable[[bytes], object], *, size: int) -> int:
        """Hand on a file's bytes."""
        data, _ = self.read_dated(url, size=size)
        write(data)
        return len(data)

    def read_dated(self, url: str, *, size: int) -> tuple[bytes, datetime | None]:
        """Return a file's bytes; when it was changed last, publishers don't say."""
        path = self.path(unquote(url.rpartition("/")[2]))
        if path.stat().st_size > size:
            raise too_large(size)
        return path.read_bytes(), None
