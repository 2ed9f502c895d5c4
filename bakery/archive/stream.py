"""Bytes that arrive in chunks, as files to read from."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

    from bakery.archive.guard import Guard
    from bakery.archive.model import Chunk

_BUFFER = 1 << 16  # larger reads are copied once, straight to the reader


class ForwardFile:
    """A file over chunks, none of which is empty, that is only ever read onwards.

    Attributes:
        headroom: bytes that may be read before it is set anew; None for any number.

    """

    def __init__(
        self, chunks: Iterator[bytes], guard: Guard, *, headroom: int, may_end: bool
    ) -> None:
        """Let what is read within the headroom be nothing, at the end, if it `may_end` there."""
        self.headroom: int | None = headroom
        self._may_end = may_end
        self._chunks = chunks
        self._rest = memoryview(b"")
        self._position = 0
        self._guard = guard

    def tell(self) -> int:
        """Return how many bytes have gone by."""
        return self._position

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes.

        Raises:
            BrokenArchiveError: there are fewer.
            ValueError: they are more than the headroom.

        """
        if self.headroom is not None:
            self.headroom -= size
            if self.headroom < 0:
                raise ValueError("a header is too long")
        data = b"".join(self._pieces(size))
        if len(data) < size and (data or self.headroom is None or not self._may_end):
            raise self._guard.broken("it ends too early")
        return data

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Yield the next `size` bytes in pieces, as they come.

        Raises:
            BrokenArchiveError: there are fewer.

        """
        end = self._position + size
        yield from self._pieces(size)
        if self._position < end:
            raise self._guard.broken("it ends too early")

    def seek(self, position: int) -> None:
        """Skip what lies before `position`.

        Raises:
            BrokenArchiveError: it lies behind the end, or has gone by.

        """
        if position < self._position:
            raise self._guard.broken("its parts overlap")
        for _ in self.pieces(position - self._position):
            pass

    def remaining(self, size: int) -> Iterator[bytes]:
        """Yield everything up to the end in blocks of `size` bytes; the last may be shorter."""
        while block := b"".join(self._pieces(size)):
            yield block

    def _pieces(self, size: int) -> Iterator[memoryview]:
        while size and (rest := self._rest or memoryview(next(self._chunks, b""))):
            piece, self._rest = rest[:size], rest[size:]
            self._position += len(piece)
            size -= len(piece)
            yield piece


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterator[Chunk]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        self._rest = self._rest or memoryview(next(self._pieces, b""))
        room = memoryview(buffer)
        count = min(len(room), len(self._rest))
        room[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def readable(pieces: Iterator[Chunk]) -> io.BufferedReader:
    """Return pieces, none of which is empty, as a file to read from, once."""
    return io.BufferedReader(_Pieces(pieces), _BUFFER)
