"""One request for one asset, over HTTP or from a file, answered with its raw bytes."""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import url2pathname

from bakery.http.address import joined, shown, split
from bakery.http.causes import explain, is_permanent
from bakery.http.retry import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from requests import Response

    from bakery.http.retry import Patience

CHUNK = 1 << 20
_TRANSIENT = {408, 425, 429}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True)
class Resume:
    """What a transfer needs to go on where another one stopped.

    Attributes:
        offset: how many bytes are there.
        validator: the strong ETag, or the date, that the bytes belong to (RFC 9110, 8.8).

    """

    offset: int
    validator: str


class SourceError(Exception):
    """A place did not give an asset; the text says why, without secrets.

    Attributes:
        status: the HTTP status, where there was one.
        wait: how many seconds the server asks to wait.

    """

    def __init__(self, why: str, *, status: int | None = None, wait: float | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.wait = wait


class TransientError(SourceError):
    """Another try may well succeed."""


class RefusedError(SourceError):
    """Another try would end the same."""


class StaleError(TransientError):
    """The bytes that are there can't be continued; a new start can succeed."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a place offers.

    Attributes:
        read: returns the next bytes, and none at the end; raises `TransientError`.
        offset: where in the asset the bytes begin.
        total: the size of the whole asset; None where nobody says.
        validator: what identifies this state of the asset, for a later `Resume`.
        kind: the media type and coding, for a message.
        ends_itself: the transfer marks its end, so that no cut looks like one.

    """

    read: Callable[[], bytes]
    offset: int = 0
    total: int | None = None
    validator: str | None = None
    kind: str = "a local file"
    ends_itself: bool = False


def request(url: str, resume: Resume | None, patience: Patience) -> AbstractContextManager[Answer]:
    """Ask for an asset, or for what is missing of it.

    Args:
        url: an address with the scheme http, https or file.
        resume: what is there; an answer may still begin at 0.
        patience: for its time limits.

    Raises:
        TransientError, RefusedError: there is no answer.

    """
    scheme = split(url).scheme
    if scheme in ("http", "https"):
        return _over_http(url, resume, patience)
    if scheme == "file":
        return _from_file(url)
    kind = f"an address that begins with {scheme}:" if scheme else "what is no address"
    raise RefusedError(f"{kind} can't be downloaded")


@contextmanager
def _from_file(url: str) -> Iterator[Answer]:
    parts = split(url)
    if parts.netloc not in ("", "localhost"):
        raise RefusedError("a file: address has three slashes: file:///srv/file.tgz")
    try:
        file = Path(url2pathname(parts.path)).open("rb", buffering=0)  # noqa: SIM115  closed below
    except OSError as error:
        raise RefusedError(error.strerror or str(error)) from error

    def read() -> bytes:
        try:
            return file.read(CHUNK)
        except OSError as error:
            raise RefusedError(error.strerror or str(error)) from error

    with file:
        yield Answer(read=read, total=os.fstat(file.fileno()).st_size)


@contextmanager
def _over_http(url: str, resume: Resume | None, patience: Patience) -> Iterator[Answer]:
    import requests
    from urllib3.exceptions import HTTPError

    headers = {
        "User-Agent": "sysext-bakery",
        "Accept-Encoding": "identity",  # digests are of the file, not of a coding of it
    }
    if resume:
        headers |= {"Range": f"bytes={resume.offset}-", "If-Range": resume.validator}
    with requests.Session() as session:
        try:
            response = session.get(
                url,
                headers=headers,
                stream=True,
                timeout=(patience.connect, patience.stall),
                hooks={"response": _check_redirect},
            )
        except (OSError, HTTPError) as error:  # requests lets some of both through
            raise _failure(error) from error
        with response:
            yield _answer(response, resume)


def _answer(response: Response, resume: Resume | None) -> Answer:
    status, headers = response.status_code, response.headers
    validator = _validator(headers)
    offset, total = 0, _number(headers.get("Content-Length"))
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    if chunked:
        total = None
    if status == HTTPStatus.PARTIAL_CONTENT and resume:
        offset, total = _content_range(headers, resume)
        if validator not in (None, resume.validator):
            raise StaleError("the file changed during the download")
    elif status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and resume:
        raise StaleError("the server has fewer bytes than are here already")
    elif status != HTTPStatus.OK:
        raise _status_failure(response)
    kind = headers.get("Content-Type", "a file of no named type")
    if coding := headers.get("Content-Encoding"):
        kind += f", coded as {coding}"
    return Answer(
        read=_reader(response),
        offset=offset,
        total=total,
        validator=validator,
        kind=kind,
        ends_itself=chunked,
    )


def _reader(response: Response) -> Callable[[], bytes]:
    from urllib3.exceptions import HTTPError

    def read() -> bytes:
        try:
            # What has arrived, not a full chunk: a cut connection then loses nothing.
            chunk: bytes = response.raw.read1(CHUNK, decode_content=False)
        except HTTPError as error:
            raise TransientError(explain(error)) from error
        return chunk

    return read


def _check_redirect(response: Response, *_arguments: Any, **_options: Any) -> None:
    if not response.is_redirect:
        return
    target = joined(response.url, response.headers["Location"])
    schemes = split(response.url).scheme, split(target).scheme
    if schemes not in (("http", "http"), ("http", "https"), ("https", "https")):
        response.close()
        raise RefusedError(f"the server redirects from {schemes[0]} to {shown(target)}")


def _failure(error: Exception) -> SourceError:
    from requests import exceptions
    from urllib3 import exceptions as urllib3

    if isinstance(error, exceptions.TooManyRedirects):
        return RefusedError("the server redirects in a circle")
    if isinstance(error, (exceptions.ConnectionError, exceptions.Timeout)):
        return (RefusedError if is_permanent(error) else TransientError)(explain(error))
    if isinstance(error, (exceptions.RequestException, urllib3.HTTPError)):
        return RefusedError(f"the address or the answer makes no sense ({type(error).__name__})")
    return RefusedError(str(error))  # certificates that REQUESTS_CA_BUNDLE names, but aren't there


def _status_failure(response: Response) -> SourceError:
    status = response.status_code
    wait = retry_after(response.headers.get("Retry-After"), now=time.time())
    # GitHub answers 403 with a time to wait where others answer 429.
    throttled = status == HTTPStatus.FORBIDDEN and wait is not None
    transient = status in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR or throttled
    kind = TransientError if transient else RefusedError
    return kind(f"HTTP {status} {response.reason or ''}".strip(), status=status, wait=wait)


def _content_range(headers: Mapping[str, str], resume: Resume) -> tuple[int, int | None]:
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None or int(found[1]) != resume.offset:
        raise StaleError("the server sent another range of bytes than it was asked for")
    return resume.offset, _number(found[2])


def _validator(headers: Mapping[str, str]) -> str | None:
    """Return the strong ETag, or a date that is as good as one (RFC 9110, 8.8.2.2)."""
    tag = headers.get("ETag", "")
    if tag.startswith('"'):
        return tag
    modified = headers.get("Last-Modified", "")
    try:
        age = parsedate_to_datetime(headers.get("Date", "")) - parsedate_to_datetime(modified)
    except (TypeError, ValueError):
        return None
    return modified if age.total_seconds() >= 1 else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
