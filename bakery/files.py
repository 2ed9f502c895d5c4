"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_EXCHANGE = 2  # RENAME_EXCHANGE


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that it appears complete or not at all; for one writer at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def replace(new: Path, old: Path) -> None:
    """Put a finished file or folder in place of an older one.

    For a moment neither is there, which counts as not made; never a mixture.
    """
    old.parent.mkdir(parents=True, exist_ok=True)
    if new.is_dir() and old.exists():
        aside = new.with_name(f"{new.name}.replaced")
        remove(aside)
        old.rename(aside)
        new.rename(old)
        remove(aside)
    else:
        new.replace(old)


def exchange(one: Path, other: Path) -> None:
    """Let two folders on one file system change places, at once where the system can do that.

    Where it can't, neither is in `other`'s place for a moment (renameat2(2)).
    """
    if not _renamed_at_once(one, other):
        aside = one.with_name(f"{one.name}.replaced")
        other.rename(aside)
        one.rename(other)
        aside.rename(one)


def _renamed_at_once(one: Path, other: Path) -> bool:
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    here = -100  # AT_FDCWD
    status = rename(here, os.fsencode(one), here, os.fsencode(other), _EXCHANGE)
    number = ctypes.get_errno()
    if status and number not in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        raise OSError(number, os.strerror(number), str(other))
    return bool(status == 0)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
