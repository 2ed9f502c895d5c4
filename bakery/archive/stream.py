"""Bytes that arrive in chunks, taken in the sizes that a format has."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

    from bakery.archive.guard import Guard
    from bakery.archive.model import Piece

_BUFFER = 1 << 16  # larger reads are copied once, straight to the reader


class Blocks:
    """A one-way cursor over chunks, none of which is empty."""

    def __init__(self, chunks: Iterator[bytes], guard: Guard) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")
        self._guard = guard

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Yield the next `size` bytes in pieces, as they come.

        Raises:
            BrokenArchiveError: there are fewer.

        """
        while size:
            rest = self._rest or memoryview(next(self._chunks, b""))
            if not rest:
                raise self._guard.broken("it ends too early")
            piece = rest[:size]
            self._rest = rest[size:]
            size -= len(piece)
            yield piece

    def exactly(self, size: int) -> bytes:
        """Return the next `size` bytes.

        Raises:
            BrokenArchiveError: there are fewer.

        """
        return b"".join(self.pieces(size))

    def remaining(self) -> Iterator[Piece]:
        """Yield everything up to the end."""
        yield self._rest
        yield from self._chunks


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterator[Piece]) -> None:
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


def readable(pieces: Iterator[Piece]) -> BinaryIO:
    """Return pieces, none of which is empty, as a file to read from, once."""
    return io.BufferedReader(_Pieces(pieces), _BUFFER)
