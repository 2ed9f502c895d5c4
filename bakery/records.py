"""What has been made: small files that tell whether an output is there, whole, and of which key.

They are the truth about what is up to date. An output is trusted while its size and modification
time are those recorded when it was written; its content is never read again for that.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


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


def output(folder: Path, path: str) -> Output:
    """Return a file of a folder as it is now."""
    found = (folder / path).stat()
    return Output(path=path, size=found.st_size, mtime=found.st_mtime_ns)


def read(path: Path) -> Record | None:
    """Return the record in a file; None when there is none, or none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def write(path: Path, record: Record) -> None:
    """Write a record, in place of an older one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, msgspec.json.encode(record))


def holds(record: Record | None, key: str, folder: Path) -> bool:
    """Return whether a record is for `key` and the outputs it names are untouched."""
    return record is not None and record.key == key and are_there(record.outputs, folder)


def are_there(outputs: Iterable[Output], folder: Path) -> bool:
    """Return whether files are as they were recorded."""
    for expected in outputs:
        try:
            found = os.stat(os.path.join(folder, expected.path))  # noqa: PTH116, PTH118  thousands of these
        except OSError:
            return False
        if (found.st_size, found.st_mtime_ns) != (expected.size, expected.mtime):
            return False
    return True


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that it appears complete or not at all; for one writer at a time."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
