"""A file whose digest is taken from what is read of it anyway."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Buffer

_BLOCK = 1 << 20


class HashedFile:
    """A file that is read once, mostly from its start to its end, while its SHA-256 grows.

    What is read out of order, or a second time, is not hashed then; `sha256` reads what is left.

    Attributes:
        path: where it is.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sha256 = hashlib.sha256()
        self._size = 0  # how much of the file is hashed

    def open(self) -> io.FileIO:
        """Open it to be read, without a buffer."""
        return _Reading(self)

    def sha256(self) -> str:
        """Read all that nobody has read, and return the digest of the whole file."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(self._size)
            while block := file.read(_BLOCK):
                self.note(self._size, block)
        return self._sha256.hexdigest()

    def note(self, start: int, data: Buffer) -> None:
        """Take note of bytes that stand at an offset of the file."""
        read = memoryview(data)
        if start <= self._size < start + len(read):
            self._sha256.update(read[self._size - start :])
            self._size = start + len(read)


class _Reading(io.FileIO):
    def __init__(self, file: HashedFile) -> None:
        super().__init__(file.path, "rb")
        self._file = file

    def read(self, size: int | None = -1, /) -> bytes:
        start = self.tell()
        data = super().read(-1 if size is None else size)
        self._file.note(start, data)
        return data

    def readinto(self, buffer: Buffer, /) -> int:
        start = self.tell()
        count = super().readinto(buffer)
        self._file.note(start, memoryview(buffer).cast("B")[:count])
        return count

    def readall(self) -> bytes:
        return self.read()
