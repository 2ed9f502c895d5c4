"""The one HTTP client: retries, resumption, limits, and credentials by origin."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bakery.http import limits as bounds
from bakery.http.address import joined, split
from bakery.http.answer import CHUNK, from_disk, over_http
from bakery.http.errors import RefusedError, StaleError, TransientError
from bakery.http.limits import Limits, too_large
from bakery.http.ranges import Resume
from bakery.http.refusal import refusal
from bakery.http.retry import RetryPolicy
from bakery.http.session import send, shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from requests import Response, Session

    from bakery.http.answer import Answer
    from bakery.http.credentials import Token

IDENTITY = {"Accept-Encoding": "identity"}
"""Asks for a file itself, whose size and digest are known, and not for a coding of it."""
_PAGES = 100
_SAFE = ("GET", "HEAD")  # RFC 9110, 9.2.1


@dataclass(frozen=True, kw_only=True)
class Client:
    """Asks servers. All clients of a process share their connections; safe for several threads.

    Attributes:
        retry: when to try again.
        limits: what servers must keep to.
        session: sends requests; None for the process's own session.

    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    limits: Limits = field(default_factory=Limits)
    session: Session | None = None

    def request(
        self,
        method: str,
        url: str,
        *,
        token: Token | None = None,
        headers: Mapping[str, str] | None = None,
        size: int = bounds.DOCUMENT,
        **content: Any,
    ) -> Response:
        """Return the answer to a request, with all of its body.

        GET and HEAD are repeated as often as allowed; nothing else is, for after a failure it may
        have had its effect.

        Args:
            method: of HTTP.
            url: an address with the scheme http or https.
            token: who asks; other servers than its own are not told.
            headers: more headers.
            size: the most bytes that the answer may have.
            content: what is sent: `json=` or `data=`, as requests takes them.

        Raises:
            TransientError, RefusedError: there is no answer, or no success.

        """
        options = {"token": token, "headers": headers or {}, "size": size, **content}

        def attempt() -> Response:
            response = send(self.session or shared(), method, url, limits=self.limits, **options)
            if not response.ok:
                raise refusal(response, response.content)
            return response

        retry = self.retry if method in _SAFE else replace(self.retry, tries=1)
        return retry.run(attempt)

    @contextmanager
    def stream(
        self,
        url: str,
        resume: Resume | None = None,
        *,
        size: int = bounds.ASSET,
        token: Token | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[Answer]:
        """Ask once for a file, or for what is missing of it.

        Args:
            url: an address with the scheme http, https or file.
            resume: what is there; an answer may still begin at 0.
            size: the most bytes that the file may have.
            token: who asks; other servers than its own are not told.
            headers: more headers.

        Raises:
            TransientError, RefusedError: there is no answer.

        """
        scheme = split(url).scheme
        opened: AbstractContextManager[Answer]
        if scheme in ("http", "https"):
            opened = self._over_http(url, resume, size=size, token=token, headers=headers or {})
        elif scheme == "file":
            opened = from_disk(url)
        else:
            kind = f"an address that begins with {scheme}:" if scheme else "what is no address"
            raise RefusedError(f"{kind} can't be downloaded")
        with opened as answer:
            if answer.total is not None and answer.total > size:
                raise too_large(size)
            yield answer

    @contextmanager
    def _over_http(
        self, url: str, resume: Resume | None, *, headers: Mapping[str, str], **options: Any
    ) -> Iterator[Answer]:
        headers = {**headers, **IDENTITY, **(resume.headers if resume else {})}
        session, limits = self.session or shared(), self.limits
        with closing(
            send(session, "GET", url, headers=headers, limits=limits, stream=True, **options)
        ) as response:
            yield over_http(response, resume)

    def copy(
        self,
        url: str,
        write: Callable[[bytes], object],
        *,
        size: int = bounds.ASSET,
        token: Token | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Hand on a file's bytes, each once and in order, and return how many there are.

        After a failure the transfer goes on where it stopped. That the bytes are of one file, only
        their digest can tell.

        Args:
            url: an address with the scheme http, https or file.
            write: called with the next bytes.
            size: the most bytes that may come.
            token: who asks; other servers than its own are not told.
            headers: more headers.

        Raises:
            TransientError, RefusedError: the server does not give the file.

        """
        return self._transferred(url, write, size=size, token=token, headers=headers).received

    def _transferred(
        self, url: str, write: Callable[[bytes], object], *, size: int, **options: Any
    ) -> _Transfer:
        transfer = _Transfer(write, size)

        def attempt() -> None:
            try:
                with self.stream(url, transfer.resume, size=size, **options) as answer:
                    transfer.receive(answer)
            except StaleError:
                transfer.resume = None
                raise

        self.retry.run(attempt, headway=lambda: transfer.received // CHUNK)
        return transfer

    def read(self, url: str, *, size: int = bounds.DOCUMENT) -> bytes:
        """Return a small file; see `copy`."""
        return self.read_dated(url, size=size)[0]

    def read_dated(self, url: str, *, size: int = bounds.DOCUMENT) -> tuple[bytes, datetime | None]:
        """Return a small file, and when it was changed last, as far as that is said; see `copy`."""
        data = bytearray()
        transfer = self._transferred(url, data.extend, size=size)
        return bytes(data), transfer.modified


class _Transfer:
    """What has come of a file, in as many answers as it takes."""

    def __init__(self, write: Callable[[bytes], object], size: int) -> None:
        self.received = 0
        self.resume: Resume | None = None
        self.modified: datetime | None = None
        self._write = write
        self._size = size

    def receive(self, answer: Answer) -> None:
        """Hand on what is new in an answer."""
        at = answer.offset
        self.modified = answer.modified
        while chunk := answer.read():
            new = chunk[max(0, self.received - at) :]
            at += len(chunk)
            if at > self._size:
                raise too_large(self._size)
            if new:
                self._write(new)
                self.received += len(new)
                if answer.validator:
                    self.resume = Resume(self.received, answer.validator)
        if answer.total is not None and at < answer.total and not answer.ends_itself:
            raise TransientError(f"the connection ended after {at} of {answer.total} bytes")


def pages(get: Callable[[str], Response], url: str) -> Iterator[Response]:
    """Yield an answer and those that its `Link: rel="next"` leads to (RFC 8288).

    Args:
        get: answers an address.
        url: the first one.

    Raises:
        RefusedError: the pages don't end, or lead back.

    """
    asked: set[str] = set()
    while len(asked) < _PAGES and url not in asked:
        asked.add(url)
        response = get(url)
        yield response
        following = response.links.get("next", {}).get("url")
        if following is None:
            return
        url = joined(response.url, following)
    raise RefusedError(f"its list does not end: {len(asked)} pages are read")
