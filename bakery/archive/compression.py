"""Compressed data as a stream of chunks, its checksums verified, its growth watched.

Formats are told by their first bytes: gzip (RFC 1952), xz (the .xz file format, 1.2), bzip2 and
zstd (RFC 8878). Streams may follow each other, and zeros may follow the last, as their tools allow;
anything else that follows is damage.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bakery.archive import deflate
from bakery.archive.ahead import ahead
from bakery.archive.kept import SharedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from io import FileIO

    from bakery.archive.guard import Guard

CHUNK = 1 << 20
_INPUT = 1 << 18
_HELD = 4  # chunks that are unpacked while earlier ones are used
_SMALL = 4 << 20  # bytes of a part for which a thread costs more than it saves
_ZSTD_INPUT = 1 << 10  # at worst, 4 bytes of zstd become 128 KiB, and all at once
_XZ_MEMORY = 1 << 30


class DamagedError(Exception):
    """Compressed data can't be decompressed; says why."""


class Decompressor(Protocol):
    """What the decompressors of bz2 and lzma have in common."""

    @property
    def eof(self) -> bool:
        """Whether the stream's end, checksum included, was seen."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out before something goes in."""

    @property
    def unused_data(self) -> bytes:
        """What followed the end of the stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return the next bytes, about `max_length` at most."""


class Deflate:
    """The decompressor of gzip, and with negative window bits of raw deflate."""

    def __init__(self, window_bits: int = 16 + deflate.MAX_WBITS) -> None:
        self._stream = deflate.decompressobj(window_bits)
        self._may_hold_more = False  # than it was allowed to give

    @property
    def eof(self) -> bool:
        """Whether the stream's end was seen."""
        return bool(self._stream.eof)

    @property
    def needs_input(self) -> bool:
        """Whether all input was used, and all output given."""
        return not (self._stream.unconsumed_tail or self._may_hold_more)

    @property
    def unused_data(self) -> bytes:
        """What followed the end of the stream."""
        return bytes(self._stream.unused_data)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return the next bytes, `max_length` at most."""
        output: bytes = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self._may_hold_more = len(output) == max_length
        return output


class _Zstd:
    def __init__(self) -> None:
        import zstandard

        self._stream = zstandard.ZstdDecompressor().decompressobj()
        self._input = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._input

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data + self._input

    def decompress(self, data: bytes, max_length: int) -> bytes:
        self._input = memoryview(data) if data else self._input
        parts = []
        while self._input and max_length > 0 and not self.eof:
            parts.append(self._stream.decompress(self._input[:_ZSTD_INPUT]))
            self._input = self._input[_ZSTD_INPUT:]
            max_length -= len(parts[-1])
        return b"".join(parts)


def _bzip2() -> Decompressor:
    import bz2

    return bz2.BZ2Decompressor()


def _xz() -> Decompressor:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


_MAGIC: dict[bytes, Callable[[], Decompressor]] = {
    b"\x1f\x8b": Deflate,
    b"\xfd7zXZ\0": _xz,
    b"BZh": _bzip2,
    b"\x28\xb5\x2f\xfd": _Zstd,
    **{bytes([first]) + b"\x2a\x4d\x18": _Zstd for first in range(0x50, 0x60)},  # skippable frames
}
_LONGEST_MAGIC = max(map(len, _MAGIC))


@dataclass(frozen=True)
class Packed:
    """A part of the guard's archive, compressed or not.

    Attributes:
        guard: whose archive it is; it also watches the growth.
        start: where the part begins, in bytes.
        size: its length; to the end of the file when None.

    """

    guard: Guard
    start: int = 0
    size: int | None = None

    @property
    def is_compressed(self) -> bool:
        """Whether its first bytes are those of gzip, xz, zstd or bzip2."""
        with self._open() as file:
            return self._decompressor(file) is not None

    def unpacked(self) -> Generator[bytes, None, None]:
        """Yield what it unpacks to, in chunks of about 1 MiB; as it is where it isn't compressed.

        Of a large part another thread decompresses the next ones meanwhile; it has ended once this
        has.

        Raises:
            BrokenArchiveError: the data is damaged or cut short.
            HostileArchiveError: it unpacks to more than the guard's limits.

        """
        with self._open() as file:
            new = self._decompressor(file)
            file.seek(self.start)
            total = 0
            try:
                with ExitStack() as threads:
                    for chunk in self._chunks(file, new, threads):
                        total += len(chunk)
                        self.guard.weigh(total)
                        yield chunk
            except DamagedError as error:
                raise self.guard.broken(str(error)) from None

    def _chunks(
        self, file: FileIO, new: Callable[[], Decompressor] | None, threads: ExitStack
    ) -> Iterator[bytes]:
        """Return what a file unpacks to: read and hashed, and decompressed, by threads."""
        size = self.guard.archive.stat().st_size if self.size is None else self.size

        def by_thread(items: Iterator[bytes]) -> Iterator[bytes]:
            if size <= _SMALL:
                return items
            return threads.enter_context(closing(ahead(items, _HELD)))

        if new is None:
            return by_thread(_slices(file.read, self.size, CHUNK))
        shared = self.guard.file if isinstance(self.guard.file, SharedFile) else None
        if shared and (known := shared.known(self.start)):
            return known
        chunks = _decompressed(by_thread(_slices(file.read, self.size, _INPUT)), new)
        return by_thread(shared.keeping(self.start, chunks) if shared else chunks)

    def _open(self) -> FileIO:
        file = self.guard.open()
        file.seek(self.start)
        return file

    def _decompressor(self, file: FileIO) -> Callable[[], Decompressor] | None:
        magic = file.read(_LONGEST_MAGIC if self.size is None else min(self.size, _LONGEST_MAGIC))
        return next((new for start, new in _MAGIC.items() if magic.startswith(start)), None)


def _slices(read: Callable[[int], bytes], size: int | None, step: int) -> Iterator[bytes]:
    left = size
    while data := read(step if left is None else min(step, left)):
        yield data
        left = None if left is None else left - len(data)


def _decompressed(inputs: Iterator[bytes], new: Callable[[], Decompressor]) -> Iterator[bytes]:
    data = next(inputs, b"")
    while data:
        stream = new()
        yield from inflated(stream, data, inputs)
        data = stream.unused_data.lstrip(b"\0")
        while not data and (more := next(inputs, b"")):
            data = more.lstrip(b"\0")


def inflated(stream: Decompressor, data: bytes, inputs: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what one compressed stream holds; `data` are its first bytes, `inputs` the others.

    Raises:
        DamagedError: the stream is damaged or cut short.

    """
    while True:
        try:
            output = stream.decompress(data, CHUNK)
        except _failures() as error:
            raise DamagedError(f"its compressed data can't be read: {error}") from None
        if output:
            yield output
        if stream.eof:
            return
        data = next(inputs, b"") if stream.needs_input else b""
        if stream.needs_input and not data:
            raise DamagedError("its compressed data ends too early")


def _failures() -> tuple[type[Exception], ...]:
    """Return what the decompressors raise; evaluated once something was raised."""
    import lzma

    import zstandard

    # bz2 raises OSError and ValueError; files are read elsewhere
    return (
        *(deflate.error, lzma.LZMAError, zstandard.ZstdError),
        *(OSError, ValueError, EOFError),
    )
