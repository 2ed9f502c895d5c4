"""Files and folders that appear whole or not at all, even where the power fails."""

from __future__ import annotations

import ctypes
import errno
import functools
import hashlib
import os
import shutil
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

_EXCHANGE = 2  # RENAME_EXCHANGE


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


@functools.cache
def boot_id() -> str | None:
    """Return what names this boot of the system (random(4)); None where nothing does."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def replace(new: Path, old: Path, *, lasting: bool = True) -> None:
    """Put a finished file or folder in place of an older one.

    Of folders, for a moment neither is there, which counts as not made; never a mixture.

    Args:
        new: the file or folder.
        old: its place.
        lasting: whether a folder must outlast a loss of power, and what it holds is written out.

    """
    old.parent.mkdir(parents=True, exist_ok=True)
    if not new.is_dir():
        move(new, old)
        return
    aside = new.with_name(f"{new.name}.replaced")
    remove(aside)
    if old.exists():
        old.rename(aside)
    if lasting:
        move_tree(new, old)
    else:
        new.rename(old)
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
