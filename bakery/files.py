"""Files and folders that appear whole or not at all, even where the power fails."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
from contextlib import suppress
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

_EXCHANGE = 2  # RENAME_EXCHANGE
_BEGIN = 2  # SYNC_FILE_RANGE_WRITE


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that it appears complete or not at all; for one writer at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data)
        move(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def move(new: Path, path: Path) -> None:
    """Give a finished file its name, at once in place of an older one, once its bytes are safe."""
    sync(new)
    new.replace(path)
    sync(path.parent)


def move_tree(new: Path, path: Path) -> None:
    """Give a finished folder of very many files its name, once all their bytes are safe.

    The whole file system is written out at once (syncfs(2)), which takes seconds where `sync` for
    each file takes minutes.
    """
    descriptor = os.open(new, os.O_RDONLY)
    try:
        try:
            status = ctypes.CDLL(None, use_errno=True).syncfs(descriptor)
        except AttributeError:
            os.sync()  # a system without it
        else:
            if status:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(new))
    finally:
        os.close(descriptor)
    move(new, path)


def begin_to_sync(file: BinaryIO) -> None:
    """Have a file's bytes written out from now on, so that `sync` has less to wait for.

    Only Linux can do that (sync_file_range(2)); elsewhere, and where it fails, `sync` does it all.
    """
    file.flush()
    with suppress(AttributeError):
        ctypes.CDLL(None).sync_file_range(
            file.fileno(), ctypes.c_int64(0), ctypes.c_int64(0), _BEGIN
        )


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are where no loss of power reaches them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # where folders can't be synced
            raise
    finally:
        os.close(descriptor)


def replace(new: Path, old: Path) -> None:
    """Put a finished file or folder in place of an older one.

    Of folders, for a moment neither is there, which counts as not made; never a mixture.
    """
    old.parent.mkdir(parents=True, exist_ok=True)
    if not new.is_dir():
        move(new, old)
        return
    for path in new.rglob("*"):
        if not path.is_symlink():
            sync(path)
    aside = new.with_name(f"{new.name}.replaced")
    remove(aside)
    if old.exists():
        old.rename(aside)
    move(new, old)
    remove(aside)


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


def open_file(path: Path) -> BinaryIO:
    """Open a file to read it, and nothing that would have us wait, such as a pipe.

    Raises:
        OSError: it can't be opened, or is no file.

    """
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115  Path.open() has no opener; the caller closes it
    if S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "it is no file", str(path))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
