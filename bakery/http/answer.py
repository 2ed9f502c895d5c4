"""A file on its way, over HTTP or from a disk, as its raw bytes."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import url2pathname

from bakery.characters import visible
from bakery.files import open_file
from bakery.http.address import split
from bakery.http.errors import RefusedError, StaleError
from bakery.http.ranges import number, validator
from bakery.http.refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import Response

    from bakery.http.ranges import Resume

CHUNK = 1 << 20
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A file on its way.

    Attributes:
        read: returns the next bytes, and none at the end; raises `RequestError`.
        offset: where in the file the bytes begin.
        total: the size of the whole file; None where nobody says.
        validator: what identifies this state of the file, for a later `Resume`.
        kind: the media type and coding, for a message.
        ends_itself: the transfer marks its end, so that no cut looks like one.
        modified: when the file was changed last; None where nobody says.

    """

    read: Callable[[], bytes]
    offset: int = 0
    total: int | None = None
    validator: str | None = None
    kind: str = "a local file"
    ends_itself: bool = False
    modified: datetime | None = None


def over_http(response: Response, resume: Resume | None) -> Answer:
    """Return what a response has of a file.

    Raises:
        StaleError: it does not go on where `resume` says.
        TransientError, RefusedError: it is no success.

    """
    status, headers = response.status_code, response.headers
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    offset, total = 0, None if chunked else number(headers.get("Content-Length"))
    if status == HTTPStatus.PARTIAL_CONTENT and resume:
        offset, total = resume.offset, resume.total(headers)
    elif status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and resume:
        raise StaleError("the server has fewer bytes than are here already")
    elif status != HTTPStatus.OK:
        raise refusal(response)
    kind = headers.get("Content-Type", "a file of no named type")
    if coding := headers.get("Content-Encoding"):
        kind += f", coded as {coding}"
    return Answer(
        read=lambda: response.raw.read1(CHUNK, decode_content=False),
        offset=offset,
        total=total,
        validator=validator(headers),
        kind=visible(kind),
        ends_itself=chunked,
        modified=_time(headers.get("Last-Modified", "")),
    )


@contextmanager
def from_disk(url: str) -> Iterator[Answer]:
    """Open the file that a file: address names.

    Raises:
        RefusedError: it can't be read; the status is 404 where there is no such file.

    """
    parts = split(url)
    if parts.netloc not in ("", "localhost"):
        raise RefusedError("a file: address has three slashes: file:///srv/file.tgz")
    try:
        file = open_file(Path(url2pathname(parts.path)))
    except (OSError, ValueError) as error:  # a ValueError for a NUL
        missing = getattr(error, "errno", None) in _MISSING
        raise RefusedError(
            getattr(error, "strerror", None) or str(error),
            status=HTTPStatus.NOT_FOUND if missing else None,
        ) from error

    def read() -> bytes:
        try:
            return file.read(CHUNK)
        except OSError as error:
            raise RefusedError(error.strerror or str(error)) from error

    with file:
        status = os.fstat(file.fileno())
        changed = datetime.fromtimestamp(status.st_mtime, UTC)
        yield Answer(read=read, total=status.st_size, modified=changed)


def _time(header: str) -> datetime | None:
    """Return the time in a header (RFC 9110, 5.6.7); None if it has none."""
    try:
        return parsedate_to_datetime(header)
    except ValueError:
        return None
