"""An asset on its way into the store: the bytes so far, their digest, and where they came from."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

import msgspec

from bakery.decoding import from_json
from bakery.http.ranges import Resume
from bakery.store.folder import full, is_full
from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 1 << 20
_HEAD = 120


class _Origin(msgspec.Struct, frozen=True):
    """What is written beside the bytes; the source as a digest, since addresses hold secrets."""

    source: str
    validator: str


class Partial:
    """A file that grows until it is whole; it survives its process, whatever ends that.

    The caller holds the store's lock on `key` for as long as the object lives.

    Attributes:
        path: where the bytes are.
        size: how many there are.
        pieced: whether they came in more than one transfer, so that they may not fit together.

    """

    def __init__(self, folder: Path, key: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / key
        self._side = side_file(self.path)
        with suppress(FileNotFoundError):  # sealed already when its process was killed
            self.path.chmod(0o644)
        self._file = self.path.open("a+b", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size
        self.pieced = self.size > 0
        self._total: int | None = None
        self._hash = None if self.size else hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.size:
            self.discard()
        self._file.close()

    def resume(self, source: str) -> Resume | None:
        """Return how to go on from `source`; None when only a new start is safe."""
        try:
            origin = from_json(self._side.read_bytes(), _Origin)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        if self.size == 0 or origin.source != _digest(source):
            return None
        return Resume(self.size, origin.validator)

    def start(self, source: str, validator: str | None, *, total: int | None) -> None:
        """Begin again with the bytes of `source`; without a validator they can't be resumed.

        Raises:
            StoreError: there is no room.

        """
        self.clear()
        self._total = total
        if validator:
            with self._room():
                self._side.write_bytes(msgspec.json.encode(_Origin(_digest(source), validator)))

    def go_on(self, *, total: int | None) -> None:
        """Begin a further transfer, behind the bytes that are there."""
        self._total = total
        self.pieced = True

    def append(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            StoreError: there is no room; the file holds what fitted.

        """
        rest = memoryview(chunk)
        digest = self._digest_so_far()
        with self._room():
            while rest:
                written = self._file.write(rest)
                digest.update(rest[:written])
                self.size += written
                rest = rest[written:]

    def sha256(self) -> str:
        """Return the digest of all bytes so far."""
        return self._digest_so_far().hexdigest()

    def head(self) -> bytes:
        """Return the first bytes, for a message."""
        self._file.seek(0)
        return self._file.read(_HEAD)

    def clear(self) -> None:
        """Forget all bytes, and where they came from."""
        self._side.unlink(missing_ok=True)
        self._file.truncate(0)
        self.size, self.pieced, self._hash = 0, False, hashlib.sha256()

    def discard(self) -> None:
        """Remove every trace."""
        self._side.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not is_full(error):
                raise
            missing = None if self._total is None else self._total - self.size
            more = "more" if missing is None else f"{format_size(missing)} ({missing} bytes) more"
            raise full(
                self.path.parent, why=f"{format_size(self.size)} are written, {more} are needed"
            ) from error

    def _digest_so_far(self) -> hashlib._Hash:
        if self._hash is None:  # bytes of an earlier process: read them, once
            self._hash = hashlib.sha256()
            self._file.seek(0)
            while block := self._file.read(_BLOCK):
                self._hash.update(block)
        return self._hash


def side_file(path: Path) -> Path:
    """Return the file that stands beside a partial and says where its bytes came from."""
    return path.with_name(f"{path.name}.json")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
