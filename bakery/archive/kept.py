"""What compressed data unpacked to, kept while a run lasts: several images need the same packages.

To decompress xz takes many times longer than to read the result again.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from bakery.archive.hashed import HashedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

_ROOM = 256 << 20
_SHARE = 32  # of the room, for a packed file


class Kept:
    """Unpacked data of the files that are expected several times.

    It lies in one file without a name, which nobody else can change and nothing leaves behind.
    """

    def __init__(self, folder: Path, room: int = _ROOM) -> None:
        """Keep up to `room` bytes, in a folder that is made where they are the first."""
        self._folder = folder
        self._room = room
        self._expected: Counter[str] = Counter()
        self._parts: dict[tuple[str, int], list[range]] = {}
        self._file: BinaryIO | None = None
        self._end = 0
        self._lock = threading.Lock()

    def expect(self, digests: Iterable[str]) -> None:
        """Take note that files of these SHA-256 are to be unpacked, once more each."""
        self._expected.update(digests)

    def file(self, path: Path, digest: str) -> HashedFile:
        """Return a file that should have a digest, to be unpacked.

        Nothing is kept of a large one, which would take the room of many.
        """
        if self._expected[digest] > 1 and path.stat().st_size <= self._room // _SHARE:
            return SharedFile(path, digest, self)
        return HashedFile(path)

    def add(self, digest: str, parts: Mapping[int, list[range]]) -> None:
        """Let others find what the file of a digest unpacks to, by the offset of each part."""
        for start, ranges in parts.items():
            self._parts.setdefault((digest, start), ranges)

    def find(self, digest: str, start: int) -> list[range] | None:
        """Return where the data of a part is; None where it isn't kept."""
        return self._parts.get((digest, start))

    def write(self, data: bytes) -> range | None:
        """Keep a piece of data and return where; None where there is no room."""
        from tempfile import TemporaryFile

        with suppress(OSError):  # a full disk is told by who can't do without it
            with self._lock:
                place = range(self._end, self._end + len(data))
                if place.stop > self._room:
                    return None
                if self._file is None:
                    self._folder.mkdir(parents=True, exist_ok=True)
                    self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115  closed with this
                    weakref.finalize(self, self._file.close)
                self._end = place.stop
            if os.pwrite(self._file.fileno(), data, place.start) == len(data):
                return place
        return None

    def read(self, ranges: Iterable[range]) -> Iterator[bytes]:
        """Yield what was kept at some places."""
        assert self._file is not None  # noqa: S101  something was written there
        for place in ranges:
            yield os.pread(self._file.fileno(), len(place), place.start)


class SharedFile(HashedFile):
    """A file whose parts need not be decompressed again where another one of its digest was."""

    def __init__(self, path: Path, digest: str, kept: Kept) -> None:
        super().__init__(path)
        self._digest = digest
        self._kept = kept
        self._parts: dict[int, list[range]] = {}

    def sha256(self) -> str:
        """Return the digest of the whole file; if it is the right one, others get what is kept."""
        digest = super().sha256()
        if digest == self._digest:
            self._kept.add(digest, self._parts)
        return digest

    def known(self, start: int) -> Iterator[bytes] | None:
        """Return what the part at an offset unpacks to; None where it must be decompressed."""
        ranges = self._parts.get(start) or self._kept.find(self._digest, start)
        return self._kept.read(ranges) if ranges else None

    def keeping(self, start: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield what the part at an offset unpacks to, and keep it once it has come to its end."""
        ranges: list[range] = []
        fits = True
        for chunk in chunks:
            if fits and (place := self._kept.write(chunk)):
                ranges.append(place)
            else:
                fits = False
            yield chunk
        if fits:
            self._parts[start] = ranges
