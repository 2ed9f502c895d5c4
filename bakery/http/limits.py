"""How large an answer may be, and how slowly it may come."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bakery.http.causes import explain
from bakery.http.errors import RequestError, TooLargeError, TransientError
from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from urllib3 import BaseHTTPResponse

DOCUMENT = 64 << 20
"""Bytes; no answer of an API, index, signature or release.json is larger."""
ASSET = 32 << 30
"""Bytes; no file whose size nobody knows beforehand is larger."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server must keep to. All times are in seconds.

    Attributes:
        connect: how long a connection may take.
        stall: how long a connection may be silent.
        least_speed: bytes per second; over each `window`, an answer must come faster on average.
        window: see `least_speed`. With a size and a least speed, the whole time is bounded too.
        clock: tells the time; tests put their own here.

    """

    connect: float = 15.0
    stall: float = 60.0
    least_speed: int = 2 << 10
    window: float = 60.0
    clock: Callable[[], float] = time.monotonic


class BoundedBody:
    """The body of an answer, as urllib3 reads it, that keeps to limits.

    Reading raises `TooLargeError` when it is too large, and `TransientError` when it comes too
    slowly or is cut.
    """

    def __init__(self, raw: BaseHTTPResponse, limits: Limits, size: int) -> None:
        """Bound a body to `size` bytes, decoded."""
        self._raw = raw
        self._limits = limits
        self._size = size
        self._received = 0
        self._in_window = 0
        self._waited = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def read1(self, amount: int, decode_content: bool | None = None) -> bytes:  # noqa: FBT001  as urllib3 has it
        """Return what has arrived, not a full chunk: a cut connection then loses nothing."""
        try:
            return self._read(amount, decode_content)
        except RequestError:
            self._raw.close()  # the rest of the answer makes the connection useless
            raise

    def _read(self, amount: int, decode_content: bool | None) -> bytes:  # noqa: FBT001  as urllib3 has it
        from urllib3.exceptions import HTTPError

        began = self._limits.clock()
        try:
            chunk: bytes = self._raw.read1(amount, decode_content=decode_content)
        except HTTPError as error:
            raise TransientError(explain(error)) from error
        self._check_speed(len(chunk), self._limits.clock() - began)
        self._received += len(chunk)
        if self._received > self._size:
            raise too_large(self._size)
        return chunk

    def stream(self, amount: int, decode_content: bool | None = None) -> Iterator[bytes]:  # noqa: FBT001  as urllib3 has it
        """Yield all there is, chunk by chunk."""
        while chunk := self.read1(amount, decode_content):
            yield chunk

    def _check_speed(self, count: int, waited: float) -> None:
        self._in_window += count
        self._waited += waited
        if self._waited < self._limits.window:
            return
        if count and self._in_window < self._limits.least_speed * self._waited:
            raise TransientError(
                f"only {format_size(self._in_window)} came in {self._waited:.0f} seconds"
            )
        self._in_window, self._waited = 0, 0.0


def too_large(size: int) -> TooLargeError:
    """Return the error that more bytes came than may."""
    return TooLargeError(f"it has more than {format_size(size)}, the most that can be right")
