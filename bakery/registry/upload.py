"""One blob on its way into a registry: it goes on where a connection broke."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.files import sha256
from bakery.http.address import joined, split
from bakery.http.errors import RefusedError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import Response

    Ask = Callable[..., Response]

_SMALL = 4 << 20  # bytes; they come with the request that ends an upload
_CHUNK = 1 << 20
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})")
_BYTES = {"Content-Type": "application/octet-stream"}
_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, HTTPStatus.BAD_REQUEST}


class Source:
    """What is uploaded.

    Attributes:
        size: its bytes.
        digest: their digest, as registries write it.

    """

    def __init__(self, content: Path | bytes) -> None:
        self._content = content
        if isinstance(content, Path):
            self.size, digest = content.stat().st_size, sha256(content)
        else:
            self.size, digest = len(content), hashlib.sha256(content).hexdigest()
        self.digest = f"sha256:{digest}"

    def rest(self, offset: int) -> _Rest | bytes:
        """Return the bytes from some place on, for requests to send."""
        if isinstance(self._content, bytes):
            return self._content[offset:]
        left = self.size - offset
        return _Rest(self._content, offset, left) if left else b""


class _Rest:
    """Bytes of a file, read while they are sent."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._path = path
        self._offset = offset
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            left = self._size
            while left:
                chunk = file.read(min(_CHUNK, left))
                if not chunk:
                    raise RefusedError("the file became shorter while it was sent")
                left -= len(chunk)
                yield chunk


class Upload:
    """Sends a blob, in as many tries as it takes.

    Attributes:
        received: how many bytes the registry said it had when it was last asked.

    Args:
        source: what.
        url: where the API has the repository.
        ask: sends a request, of HTTP's method and address.
        is_there: tells whether the registry has the blob.

    """

    def __init__(self, source: Source, url: str, ask: Ask, is_there: Callable[[], bool]) -> None:
        self.received = 0
        self._source = source
        self._url = url
        self._ask = ask
        self._is_there = is_there
        self._place: str | None = None

    def attempt(self) -> None:
        """Send what is missing.

        Raises:
            TransientError: it did not succeed, and another attempt may.
            RefusedError: none will.

        """
        if self._is_there():
            return
        try:
            self._begin()
            self._send()
        except RefusedError as error:
            if self._place is None or error.status not in _GONE:
                raise
            self._place, self.received = None, 0
            raise TransientError(str(error), status=error.status) from error

    def _begin(self) -> None:
        """Ask how much has come of an upload that was begun, or begin one."""
        if self._place is not None:
            with suppress(RefusedError):
                response = self._ask("GET", self._place)
                self._follow(response)
                found = _RANGE.fullmatch(response.headers.get("Range", ""))
                if found and 0 < int(found[1]) < self._source.size:  # some say 0-0 for nothing
                    self.received = int(found[1]) + 1
                    return
        self._place, self.received = None, 0
        self._follow(self._ask("POST", f"{self._url}/blobs/uploads/", headers=dict(_BYTES)))

    def _send(self) -> None:
        sent = self.received
        if self._source.size - sent > _SMALL:
            self._follow(self._write("PATCH", self._at(), sent))
            sent = self._source.size
        mark = "&" if "?" in self._at() else "?"
        self._write("PUT", f"{self._at()}{mark}digest={self._source.digest}", sent)

    def _write(self, method: str, url: str, offset: int) -> Response:
        size = self._source.size
        headers = dict(_BYTES)
        if 0 < offset < size:
            headers["Content-Range"] = f"{offset}-{size - 1}"
        return self._ask(method, url, headers=headers, data=self._source.rest(offset))

    def _at(self) -> str:
        if self._place is None:
            raise RefusedError("it tells no place for uploads, so whoever answers is no registry")
        return self._place

    def _follow(self, response: Response) -> None:
        """Note where the registry wants the rest."""
        link = response.headers.get("Location")
        if link is None:
            return
        place = joined(response.url, link)
        if split(place).scheme not in {split(self._url).scheme, "https"}:
            raise RefusedError(
                "the registry wants uploads at an address that is not encrypted;"
                " whoever runs it behind a proxy must tell it its own address"
            )
        self._place = place
