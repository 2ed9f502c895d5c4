"""A mounted root file system, in which every path means what it means to the system itself.

Links are followed as openat2(2) does with RESOLVE_IN_ROOT: absolute ones and `..` stay inside, and
a link too many is an error. That call can't make the folders that are missing on the way; this
walk, folder by folder with openat(2), does, and asks no particular kernel. Each folder is open
while the next is looked up in it, so nobody leads it out by changing links meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import stat
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader
    from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINKS = 40  # as many as Linux follows (path_resolution(7))


class HostRoot:
    """A root file system. Paths begin with a slash; all methods may raise OSError."""

    def __init__(self, path: Path) -> None:
        """Take the folder that it is mounted at."""
        self.path = path

    def has_folder(self, path: str) -> bool:
        """Return whether there is such a folder."""
        with suppress(FileNotFoundError, NotADirectoryError), self._folder(path):
            return True
        return False

    def exists(self, path: str) -> bool:
        """Return whether anything has this path, be it a link that leads nowhere."""
        return self._mode(path, lambda _: True)

    def names(self, path: str) -> list[str]:
        """Return the sorted names in a folder; none if there is no such folder."""
        with suppress(FileNotFoundError, NotADirectoryError), self._folder(path) as folder:
            return sorted(os.listdir(folder))  # noqa: PTH208  a descriptor has no path
        return []

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file; None if nothing, or something else, is there."""
        if not self.is_file(path):
            return None
        with self.opened(path) as file:
            return file.read()

    def is_file(self, path: str) -> bool:
        """Return whether a regular file has this path."""
        return self._mode(path, stat.S_ISREG)

    def resolve(self, path: str) -> str:
        """Return the path that a path's last links lead to."""
        for _ in range(_LINKS):
            target = self.target(path)
            if target is None:
                return path
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), f"{self.path}{path}")

    def target(self, path: str) -> str | None:
        """Return where a symbolic link leads; None if nothing, or something else, is there."""
        if not self._mode(path, stat.S_ISLNK):
            return None
        with self._parent(path) as (folder, name):
            return os.readlink(name, dir_fd=folder)

    def digest(self, path: str) -> str | None:
        """Return the SHA-256 of a file; None if nothing, or something else, is there."""
        if not self.is_file(path):
            return None
        with self.opened(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextmanager
    def opened(self, path: str) -> Iterator[BufferedReader]:
        """Give a regular file to read."""
        with self._parent(path) as (folder, name):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            with open(descriptor, "rb") as file:  # noqa: PTH123  a descriptor has no path
                yield file

    def _mode(self, path: str, check: Callable[[int], bool]) -> bool:
        with suppress(FileNotFoundError, NotADirectoryError), self._parent(path) as (folder, name):
            return check(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        return False

    @contextmanager
    def writing(self, path: str, mode: int) -> Iterator[IO[bytes]]:
        """Give a file to write, which takes the path, folders included, when it is complete."""
        with self._parent(path, create=True) as (folder, name):
            partial = f".{name}.part"
            with suppress(FileNotFoundError):
                os.unlink(partial, dir_fd=folder)  # of a run that was killed
            new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(partial, new, mode, dir_fd=folder)
            try:
                with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor has no path
                    yield file
                    file.flush()
                    os.fchmod(descriptor, mode)
                    os.fsync(descriptor)
                os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(partial, dir_fd=folder)

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link, folders included, in the place of a file or link."""
        with self._parent(path, create=True) as (folder, name):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            os.symlink(target, name, dir_fd=folder)

    def unlink(self, path: str) -> None:
        """Remove a file or link, if it is there."""
        with suppress(FileNotFoundError, NotADirectoryError), self._parent(path) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def prune(self, path: str) -> None:
        """Remove a folder, if it is there and empty."""
        with suppress(FileNotFoundError, NotADirectoryError), self._parent(path) as (folder, name):
            try:
                os.rmdir(name, dir_fd=folder)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise

    @contextmanager
    def _parent(self, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
        folder, _, name = path.rpartition("/")
        with self._named(path), self._folder(folder, create=create) as opened:
            yield opened, name

    @contextmanager
    def _folder(self, path: str, *, create: bool = False) -> Iterator[int]:
        opened = [os.open(self.path, _FOLDER & ~os.O_NOFOLLOW)]
        try:
            with self._named(path):
                _walk(opened, path, create=create)
            yield opened[-1]
        finally:
            for descriptor in opened:
                os.close(descriptor)

    @contextmanager
    def _named(self, path: str) -> Iterator[None]:
        """Have errors name the whole path, and not the step of it that failed."""
        try:
            yield
        except OSError as error:
            error.filename, error.filename2 = f"{self.path}{path}", None
            raise


def _walk(opened: list[int], path: str, *, create: bool) -> None:
    """Open one folder of a path after the other; `opened` begins with the root's."""
    parts = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    followed = 0
    while parts:
        part = parts.pop()
        if part == "..":
            _leave(opened, len(opened) - 1)
            continue
        try:
            opened.append(os.open(part, _FOLDER, dir_fd=opened[-1]))
        except FileNotFoundError:
            if not create:
                raise
            os.mkdir(part, dir_fd=opened[-1])
            parts.append(part)
        except OSError as error:
            target = _target(part, opened[-1], error)
            followed += 1
            if followed > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
            if target.startswith("/"):
                _leave(opened, 1)
            parts += [step for step in reversed(target.split("/")) if step not in ("", ".")]


def _leave(opened: list[int], depth: int) -> None:
    """Close folders until so many are open, and never the root's."""
    while len(opened) > max(depth, 1):
        os.close(opened.pop())


def _target(name: str, folder: int, error: OSError) -> str:
    """Return where a link leads that could not be opened as a folder.

    Raises:
        OSError: it is no link.

    """
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:
        raise error from None
