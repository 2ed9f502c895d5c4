"""What has been made, and who is making what: records, locks and scratch folders.

Records are the truth about what is up to date. An output is trusted while its size and
modification time are those recorded when it was written; its content is not read again for that.
Every step works in a scratch folder of its own and under a lock, so it can be killed at any time
and two processes can share a folder.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from bakery.errors import BakeryError
from bakery.files import remove, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)


class LedgerError(BakeryError):
    """The output folder can't be written, or a record is missing."""


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was when it was recorded.

    Attributes:
        path: relative to the folder that the record speaks of.
        size: its bytes.
        mtime: its modification time in nanoseconds.

    """

    path: str
    size: int
    mtime: int


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One finished step.

    Attributes:
        key: the key it was made for.
        outputs: the files it made.
        seconds: how long it took.
        facts: what later steps and reports want to know, such as digests and sizes.

    """

    key: str
    outputs: tuple[Output, ...]
    seconds: float
    facts: dict[str, str | int] = {}


_DECODER = msgspec.json.Decoder(Record)


class Work:
    """A step at work: where it may scribble, and since when.

    Attributes:
        scratch: an empty folder, removed afterwards.

    """

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has worked."""
        return round(time.monotonic() - self._started, 3)


class Ledger:
    """The records of one output folder.

    Attributes:
        folder: where records, locks and scratch folders are kept.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = str(folder)
        self._known: dict[tuple[str, str, str], bool] = {}

    def record(self, step: str, name: str) -> Record | None:
        """Return what is recorded of a step; None when nothing is, or nothing that can be read."""
        try:
            with open(f"{self._root}/{step}/{name}.json", "rb") as file:  # noqa: PTH123  thousands
                return _DECODER.decode(file.read())
        except (OSError, msgspec.DecodeError):
            return None

    def required(self, step: str, name: str) -> Record:
        """Return what is recorded of a step.

        Raises:
            LedgerError: nothing is.

        """
        record = self.record(step, name)
        if record is None:
            raise LedgerError(f"{step}:{name} has left no record", fix=f"doit {step}:{name}")
        return record

    def holds(self, step: str, name: str, key: str, folder: Path) -> bool:
        """Return whether a step is done for `key` and its outputs in `folder` are untouched."""
        known = self._known.get((step, name, key))
        if known is None:
            record = self.record(step, name)
            known = record is not None and record.key == key and _are_there(record.outputs, folder)
            self._known[step, name, key] = known
        return known

    def finish(
        self,
        step: str,
        name: str,
        *,
        key: str,
        work: Work,
        folder: Path,
        files: Iterable[str] = (),
        facts: Mapping[str, str | int] | None = None,
    ) -> None:
        """Record that a step is done.

        Args:
            step: which step.
            name: of which image or release.
            key: the key it was done for.
            work: what `alone` gave.
            folder: where its outputs lie.
            files: the outputs, relative to `folder`.
            facts: what later steps and reports want to know.

        """
        record = Record(
            key=key,
            outputs=tuple(_output(folder, file) for file in files),
            seconds=work.seconds,
            facts=dict(facts or {}),
        )
        write_whole(self._path(step, name), msgspec.json.encode(record))
        self._known[step, name, key] = True

    def forget(self, step: str, name: str) -> None:
        """Remove a record."""
        self._path(step, name).unlink(missing_ok=True)

    @contextmanager
    def alone(self, step: str, name: str) -> Iterator[Work]:
        """Have an image or release for oneself, and an empty scratch folder.

        Whoever else works on it is waited for; what was known about it before is then looked up
        again.

        Raises:
            LedgerError: a file can't be written.

        """
        try:
            with self._lock(name):
                scratch = self.folder / "scratch" / f"{step}@{name}"
                self._known.clear()
                try:
                    remove(scratch)
                    scratch.mkdir(parents=True)
                    yield Work(scratch)
                finally:
                    remove(scratch)
        except OSError as error:
            raise LedgerError(
                f"{step}:{name} can't be written: {error.strerror}",
                where=str(error.filename or self.folder.parent),
                fix="make room, or set BAKERY_DIST to a folder with more"
                if error.errno in _FULL
                else "look at the folder's rights; BAKERY_DIST names another one",
            ) from error

    def sweep(self) -> None:
        """Remove what killed runs have left in scratch folders."""
        scratch = self.folder / "scratch"
        for leftover in scratch.iterdir() if scratch.is_dir() else ():
            with self._lock(leftover.name.partition("@")[2], wait=False) as locked:
                if locked:
                    remove(leftover)

    @contextmanager
    def _lock(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        from filelock import FileLock, Timeout

        folder = self.folder / "lock"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / name, timeout=-1 if wait else 0)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _path(self, step: str, name: str) -> Path:
        return self.folder / step / f"{name}.json"


def _output(folder: Path, path: str) -> Output:
    found = (folder / path).stat()
    return Output(path=path, size=found.st_size, mtime=found.st_mtime_ns)


def _are_there(outputs: Iterable[Output], folder: Path) -> bool:
    for expected in outputs:
        try:
            found = os.stat(os.path.join(folder, expected.path))  # noqa: PTH116, PTH118  thousands
        except OSError:
            return False
        if (found.st_size, found.st_mtime_ns) != (expected.size, expected.mtime):
            return False
    return True
