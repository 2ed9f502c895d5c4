"""A tree under construction: every path is written once, known, and remembered with its origin."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from bakery.errors import BakeryError
from bakery.image.manifest import Entry
from bakery.image.paths import parents

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakery.progress import Meter

_CHUNK = 1 << 20
_FOLDED = re.compile(r"^usr/sbin(?=/|$)")
_FOLDED_TARGET = re.compile(r"(^|/)sbin/")


class TreeError(BakeryError):
    """Two things want the same place in a tree, or a place can't be had."""


def folded(path: str) -> str:
    """Return the path with usr/sbin replaced by usr/bin.

    Many hosts have a symbolic link at /usr/sbin; a folder of that name would replace it.
    """
    return _FOLDED.sub("usr/bin", path)


class Tree:
    """A folder that is filled with an image's files.

    Attributes:
        root: where it lies.
        entries: what it holds so far, by path; parents are not listed until `finish`.

    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries: dict[str, Entry] = {}
        self._folders: set[str] = set()

    def add_stream(
        self, path: str, stream: BinaryIO, *, executable: bool, origin: str, meter: Meter
    ) -> None:
        """Write a file from a stream, hashing it on the way."""
        path = folded(path)
        digest = hashlib.sha256()
        size = 0
        with self._create(path) as file:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
                size += len(chunk)
                meter.advance(len(chunk))
        self.entries[path] = Entry(
            path=path,
            type="file",
            mode=0o755 if executable or _is_program(path) else 0o644,
            size=size,
            sha256=digest.hexdigest(),
            origin=origin,
        )

    def add_bytes(self, path: str, data: bytes, *, origin: str, executable: bool = False) -> None:
        """Write a small file, in place of one that is there."""
        path = folded(path)
        self.remove(path)
        with self._create(path) as file:
            file.write(data)
        self.entries[path] = Entry(
            path=path,
            type="file",
            mode=0o755 if executable or _is_program(path) else 0o644,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            origin=origin,
        )

    def add_link(self, path: str, target: str, *, origin: str) -> None:
        """Make a symbolic link."""
        path = folded(path)
        if not target.startswith("/") or target.startswith(("/usr/sbin/", "/sbin/")):
            target = _FOLDED_TARGET.sub(r"\1bin/", target)
        self._parent(path)
        try:
            (self.root / path).symlink_to(target)
        except OSError as error:
            raise self._occupied(path, error) from None
        self.entries[path] = Entry(path=path, type="link", mode=0o777, target=target, origin=origin)

    def add_folder(self, path: str) -> None:
        """Make a folder that stays even if nothing is put into it."""
        self._parent(f"{path}/")
        self._folders.add(path)

    def read(self, path: str) -> bytes | None:
        """Return the content of a file of the tree, or None where there is none."""
        entry = self.entries.get(folded(path))
        if entry is None or entry.type != "file":
            return None
        return (self.root / entry.path).read_bytes()

    def remove(self, path: str) -> None:
        """Remove a file or link, if it is there."""
        path = folded(path)
        if self.entries.pop(path, None):
            (self.root / path).unlink()

    def set_mode(self, path: str, mode: int) -> bool:
        """Set a file's permissions; return whether the file is there."""
        path = folded(path)
        entry = self.entries.get(path)
        if entry is None or entry.type != "file":
            return False
        self.entries[path] = msgspec.structs.replace(entry, mode=mode)
        return True

    def finish(self, epoch: int) -> tuple[Entry, ...]:
        """Set modes and times of all that is there, empty folders removed; return the entries.

        Args:
            epoch: the modification time of everything, in seconds since 1970.

        """
        paths = [*self.entries, *(f"{folder}/" for folder in self._folders)]
        folders = {parent for path in paths for parent in parents(path)}
        for path in folders:
            self.entries[path] = Entry(path=path, type="directory", mode=0o755)
        self._remove_other_folders(folders)
        entries = tuple(self.entries[path] for path in sorted(self.entries))
        for entry in reversed(entries):
            place = self.root / entry.path
            if entry.type != "link":
                place.chmod(entry.mode)
            os.utime(place, (epoch, epoch), follow_symlinks=False)
        self.root.chmod(0o755)
        os.utime(self.root, (epoch, epoch))
        return entries

    def _remove_other_folders(self, wanted: Iterable[str]) -> None:
        kept = {self.root / path for path in wanted}
        for parent, folders, _ in os.walk(self.root, topdown=False):
            for name in folders:
                place = Path(parent, name)
                if place not in kept and not place.is_symlink():
                    place.rmdir()

    def _parent(self, path: str) -> None:
        for parent in reversed([*parents(path)]):
            place = self.root / parent
            if place.is_symlink() or parent in self.entries:
                raise TreeError(
                    f"{path} would lie below {parent}, which is a {self._type(parent)}",
                    fix="install one of them elsewhere, or drop one",
                )
            place.mkdir(mode=0o755, exist_ok=True)

    def _type(self, path: str) -> str:
        entry = self.entries.get(path)
        return entry.type if entry else "link"

    def _create(self, path: str) -> BinaryIO:
        self._parent(path)
        try:
            return (self.root / path).open("xb")
        except (FileExistsError, IsADirectoryError) as error:
            raise self._occupied(path, error) from None

    def _occupied(self, path: str, error: OSError) -> TreeError:
        there = self.entries.get(path)
        return TreeError(
            f"two things want to be {path}",
            why=f"it comes from {there.origin} already" if there else f"{error.strerror}",
            fix="install one of them elsewhere, or choose the members with a narrower pattern",
        )


def _is_program(path: str) -> bool:
    return path.rpartition("/")[0].endswith(("/bin", "/libexec"))
