"""One asset's way from the sources that offer it into its partial, try by try."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from bakery import trace
from bakery.http import limits
from bakery.http.address import file_name, mirrored, shown, split
from bakery.http.answer import CHUNK
from bakery.http.errors import (
    RateLimitedError,
    RefusedError,
    StaleError,
    TransientError,
    UntrustedError,
)
from bakery.recipe.names import ASSETS
from bakery.registry.files import Files
from bakery.registry.reference import SCHEME
from bakery.store.errors import DownloadError, WrongBytesError

if TYPE_CHECKING:
    from bakery.http.answer import Answer
    from bakery.http.client import Client
    from bakery.progress import Progress
    from bakery.store.partial import Partial

_log = logging.getLogger(__name__)

Resolve = Callable[[str], str]
"""Turns an address of the lock, such as `pypi:…`, into one that can be downloaded."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is known of the bytes before they come; `sha256` is None for a first use."""

    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class Pull:
    """One asset's way from any source into its partial."""

    partial: Partial
    expected: Expected
    progress: Progress
    client: Client

    def _try_first(self, source: str) -> bool:
        """Try a source that others come after, and tell whether it gave the asset."""
        hasty = replace(
            self, client=replace(self.client, retry=replace(self.client.retry, tries=2))
        )
        try:
            hasty.complete(source)
        except (RefusedError, TransientError, WrongBytesError) as error:
            if not is_missing(error):
                _log.warning("the mirror is passed over: %s: %s", shown(source), error)
            return False
        return True

    def from_upstream(self, url: str, *, mirror: str | None, resolve: Resolve) -> None:
        """Download from the mirror if there is one, else from upstream.

        A mirror has assets by their digests, web addresses by host and path, or both. What is
        none and not there by its digest follows its index's own settings.
        """
        web = url.startswith(("http://", "https://"))
        through_mirror = mirror if web else None
        digest = self.expected.sha256
        by_digest = in_mirror(mirror, digest) if mirror and digest else None
        if not web and not url.startswith("file:"):
            if by_digest and self._try_first(by_digest):
                return
            by_digest = None
            self.progress.tell("asks the index")
        if through_mirror and through_mirror.startswith(SCHEME):
            source = by_digest or through_mirror
        else:
            source = mirrored(url, through_mirror) if through_mirror else resolve(url)
        try:
            self._complete_from(source, by_digest)
        except (RefusedError, TransientError) as error:
            raise DownloadError(
                f"{file_name(url)} can't be downloaded",
                where=shown(source),
                why=str(error),
                fix=_way_out(error, url, mirror=through_mirror),
            ) from error

    def _complete_from(self, source: str, otherwise: str | None) -> None:
        """Bring the partial to its end from a source, or where that does not give it from another.

        Raises:
            RefusedError, TransientError, WrongBytesError: as `complete`; the first source's, unless
                it just has no such file.

        """
        try:
            self.complete(source)
        except (RefusedError, WrongBytesError) as error:
            if otherwise is None:
                raise
            try:
                self.complete(otherwise)
            except (RefusedError, WrongBytesError):
                if is_missing(error):
                    raise
                raise error from None
            if not is_missing(error):
                _log.warning("the mirror's file is passed over: %s: %s", shown(source), error)

    def complete(self, source: str) -> None:
        """Bring the partial to its end, in as many tries as allowed.

        Raises:
            RefusedError, TransientError: the source doesn't give the asset.
            WrongBytesError: it gives other bytes; none of them are kept.

        """
        if source.startswith(SCHEME):  # the registry's client tries again itself
            self._attempt(source)
            return
        self.client.retry.run(
            lambda: self._attempt(source), headway=lambda: self.partial.size // CHUNK
        )

    def _attempt(self, source: str) -> None:
        try:
            self._try(source)
        except (StaleError, WrongBytesError):
            self.partial.clear()
            raise

    def _try(self, source: str) -> None:
        partial = self.partial
        kind = ""
        if not partial.size or partial.size != self.expected.size:
            self.progress.tell(f"waits for {split(source).hostname or 'the disk'}")
            with trace.span("download", source=shown(source)) as span:
                if source.startswith(SCHEME):
                    begins = self._from_registry(source)
                else:
                    with self.client.stream(source, partial.resume(source)) as answer:
                        self.progress.tell("")
                        kind, begins = answer.kind, answer.offset
                        span.note(begins_at=begins)
                        self._receive(source, answer)
                span.note(bytes=partial.size - begins)
        if partial.sha256() == self.expected.sha256:
            return
        if self.expected.sha256 is None:
            self._check_first_use(kind)
        elif partial.pieced:
            raise StaleError("the pieces of several transfers make another file")
        else:
            raise self._wrong(source, kind, f"sha256 {partial.sha256()}, {partial.size} bytes")

    def _from_registry(self, source: str) -> int:
        """Bring all of a blob, which the registry's client compares with its digest; return 0."""
        self.partial.start(source, None, total=self.expected.size)
        largest = limits.ASSET if self.expected.size is None else self.expected.size
        files = Files(retry=self.client.retry, limits=self.client.limits)
        files.copy(source, self.partial.append, size=largest)
        return 0

    def _receive(self, source: str, answer: Answer) -> None:
        partial, expected = self.partial, self.expected.size
        total = expected if answer.total is None else answer.total
        if answer.offset:
            partial.go_on(total=total)
        else:
            partial.start(source, answer.validator, total=total)
        self.progress.expect(total)
        self.progress.restart(partial.size)
        while chunk := answer.read():
            partial.append(chunk)
            self.progress.advance(len(chunk))
            if expected is not None and total != expected:
                raise self._misfit(source, answer.kind, f"{total} bytes")
            if expected is not None and partial.size > expected:
                raise self._misfit(source, answer.kind, f"more than {expected} bytes")
        if total is not None and partial.size < total and not answer.ends_itself:
            raise TransientError(
                f"the connection ended after {partial.size} of {total} bytes ({answer.kind})"
            )

    def _misfit(self, source: str, kind: str, got: str) -> StaleError | WrongBytesError:
        if self.partial.pieced:
            return StaleError("the pieces of several transfers make another file")
        return self._wrong(source, kind, got)

    def _wrong(self, source: str, kind: str, got: str) -> WrongBytesError:
        size = "" if self.expected.size is None else f", {self.expected.size} bytes"
        return WrongBytesError(
            f"{file_name(source)} is not the file that the lock pins",
            where=shown(source),
            why=f"locked:   sha256 {self.expected.sha256}{size}\n"
            f"received: {got}\n"
            f"it is {kind}, {_excerpt(self.partial)}",
            fix="an upstream that changes a published file is an alarm: compare with what it\n"
            "announces and signs before you lock the new bytes. If a proxy or a login page\n"
            "answered in its place, repair that and run again.",
        )

    def _check_first_use(self, kind: str) -> None:
        page = self.partial.head().lstrip().lower().startswith((b"<!doctype html", b"<html"))
        if self.partial.size and not page:
            return
        excerpt = _excerpt(self.partial)
        self.partial.clear()
        raise RefusedError(f"what came is {kind}, {excerpt}" if page else "what came is empty")


def in_mirror(mirror: str, sha256: str) -> str:
    """Return where a mirror has an asset of a digest, in a folder of it or in a registry."""
    if mirror.startswith(SCHEME):
        return f"{mirror}@sha256:{sha256}"
    return f"{mirror}/{ASSETS}/{sha256}"


def is_missing(error: Exception) -> bool:
    """Return whether a source can be asked, and has no such file."""
    return isinstance(error, RefusedError) and error.status == HTTPStatus.NOT_FOUND


def _excerpt(partial: Partial) -> str:
    """Return how a file begins, where that is text that people can read."""
    text = partial.head().decode("ascii", "replace").strip()
    readable = text.replace("\n", " ").replace("\r", " ").replace("\t", " ").isprintable()
    known = readable and "\ufffd" not in text
    return f"and begins with {text!a}" if known else "and no text"


_LOGINS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
)


def _way_out(error: RefusedError | TransientError, url: str, *, mirror: str | None) -> str:
    if isinstance(error, (TransientError, RateLimitedError)):
        lost = isinstance(error, TransientError)
        first = "check the network and the proxy (HTTPS_PROXY), then " if lost else ""
        return f"{first}run again: it goes on from here"
    if isinstance(error, UntrustedError) or error.status in _LOGINS:
        return _way_in(error, mirror)
    if mirror:
        return "put the file there, or unset BAKERY_MIRROR to ask upstream itself"
    if url.startswith("debian:"):
        return (
            "the mirror has probably moved on to a newer version: lock that one, with\n"
            "`bakery lock NAME VERSION`; or set BAKERY_DEBIAN_SNAPSHOT to an archive that keeps\n"
            "old versions, such as http://mirror.example/{archive}/20250801T000000Z"
        )
    if error.status is None:
        return "check the network, or set BAKERY_MIRROR to a server that has the file"
    return "look whether upstream moved the file, correct the recipe, and lock it again"


def _way_in(error: RefusedError, mirror: str | None) -> str:
    """Return what to do where trust or a login is missing."""
    if isinstance(error, UntrustedError):
        return (
            "look at this computer's clock; if a proxy of yours signs for others, name its\n"
            "certificates: REQUESTS_CA_BUNDLE=FILE; else somebody may be reading along"
        )
    if error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return "give its login with the proxy: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
    if mirror:
        return "put a login for the mirror into ~/.netrc, or unset BAKERY_MIRROR"
    return "put a login for the host into ~/.netrc, or use another proxy (HTTPS_PROXY)"
