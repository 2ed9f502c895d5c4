"""Build a tree: write every path once, and remember where its content came from."""

from __future__ import annotations

import hashlib
import io
import os
import re
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from bakery.image.errors import ImageError
from bakery.image.manifest import ManifestEntry
from bakery.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bakery.progress import Progress

_CHUNK = 1 << 20
_MERGED = re.compile(r"^(?:(?:usr/)?(?P<bin>s?bin)|(?P<lib>lib(?:32|64|x32)?))/")
_MACOS = re.compile(r"(^|/)(\._[^/]+|\.DS_Store|__MACOSX(/.*)?)$")
_FOLDED = re.compile(r"^usr/sbin(?=/|$)")
_FOLDED_TARGET = re.compile(r"(^|/)sbin/")


def merged(path: str) -> str:
    """Return a path as it is on hosts where /bin, /sbin and /lib are links into /usr.

    Both are paths relative to `/`; those that no such link leads to stay as they are.
    """
    match = _MERGED.match(path)
    if match is None:
        return path
    return f"usr/{'bin' if match['bin'] else match['lib']}/{path[match.end() :]}"


def is_macos_metadata(path: str) -> bool:
    """Return whether a path is one that macOS adds to archives: `._NAME`, .DS_Store, __MACOSX."""
    return _MACOS.search(path) is not None


def parents(path: str) -> Iterator[str]:
    """Yield the folders that contain a path, the innermost first."""
    while path := path.rpartition("/")[0]:
        yield path


def folded(path: str) -> str:
    """Return the path with usr/sbin replaced by usr/bin.

    Many hosts have a symbolic link at /usr/sbin; a folder of that name would replace it.
    """
    return _FOLDED.sub("usr/bin", path)


class TreeBuilder:
    """A folder that is filled with an image's files.

    Paths are relative to the folder, with forward slashes. `usr/sbin` is written as `usr/bin`.

    Attributes:
        root: the folder, on disk.
        entries: what it holds so far, by path; parents are not listed until `finish`.
        privileges: by path, what upstream has programs do with more rights than their user's.
        folded: the names of files that were to be in usr/sbin, and are in usr/bin.

    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries: dict[str, ManifestEntry] = {}
        self.folded: set[str] = set()
        self.privileges: dict[str, str] = {}
        self._folders: set[str] = set()
        self._made: set[str] = set()

    def add_stream(
        self, path: str, stream: BinaryIO, *, executable: bool, origin: str, progress: Progress
    ) -> None:
        """Write a file from a stream, and hash it while it is written.

        Args:
            path: of the file in the tree.
            stream: its content, read to the end.
            executable: whether it gets mode 0755; files in `bin` and `libexec` always do.
            origin: the address or the recipe's key that it comes from.
            progress: told of the bytes written.

        Raises:
            ImageError: something else has this path, or a file is where a folder must be.

        """
        path = self._fold(path)
        sha256, sha1 = hashlib.sha256(), hashlib.sha1(usedforsecurity=False)
        size = 0
        with self._create(path) as file:
            while chunk := stream.read(_CHUNK):
                sha256.update(chunk)
                sha1.update(chunk)
                file.write(chunk)
                size += len(chunk)
                progress.advance(len(chunk))
        self.entries[path] = ManifestEntry(
            path=path,
            type="file",
            mode=0o755 if executable or _is_program(path) else 0o644,
            size=size,
            sha256=sha256.hexdigest(),
            sha1=sha1.hexdigest(),
            origin=origin,
        )

    def add_bytes(self, path: str, data: bytes, *, origin: str, executable: bool = False) -> None:
        """Write a small file, and replace one that is there.

        Raises:
            ImageError: a folder has this path, or a file is where a folder must be.

        """
        self.remove(path)
        stream = io.BytesIO(data)
        self.add_stream(path, stream, executable=executable, origin=origin, progress=Silent())

    def add_link(self, path: str, target: str, *, origin: str) -> None:
        """Make a symbolic link; a target in sbin becomes the same in bin.

        Raises:
            ImageError: something else has this path, or a file is where a folder must be.

        """
        path = self._fold(path)
        if not target.startswith("/") or target.startswith(("/usr/sbin/", "/sbin/")):
            target = _FOLDED_TARGET.sub(r"\1bin/", target)
        self._parent(path)
        try:
            (self.root / path).symlink_to(target)
        except OSError as error:
            raise self._occupied(path, error) from None
        self.entries[path] = ManifestEntry(
            path=path, type="link", mode=0o777, target=target, origin=origin
        )

    def add_folder(self, path: str) -> None:
        """Make a folder that is kept even when it stays empty.

        Raises:
            ImageError: a file is where a folder must be.

        """
        self._parent(f"{path}/")
        self._folders.add(path)

    def read(self, path: str) -> bytes | None:
        """Return a file's content; None if there is no such file."""
        entry = self.entries.get(folded(path))
        if entry is None or entry.type != "file":
            return None
        return (self.root / entry.path).read_bytes()

    def remove(self, path: str) -> None:
        """Remove a file or link, if it is there."""
        path = folded(path)
        if self.entries.pop(path, None):
            (self.root / path).unlink()

    def change(self, path: str, **changes: int | str) -> bool:
        """Change a file's mode or capabilities; return whether there is such a file."""
        path = folded(path)
        entry = self.entries.get(path)
        if entry is None or entry.type != "file":
            return False
        self.entries[path] = msgspec.structs.replace(entry, **changes)
        return True

    def finish(self, epoch: int) -> tuple[ManifestEntry, ...]:
        """Remove empty folders, set modes and times, and return the entries sorted by path.

        Args:
            epoch: the modification time of everything, in seconds since 1970.

        """
        paths = [*self.entries, *(f"{folder}/" for folder in self._folders)]
        folders = {parent for path in paths for parent in parents(path)}
        for path in folders:
            self.entries[path] = ManifestEntry(path=path, type="directory", mode=0o755)
        self._remove_other_folders(folders)
        entries = tuple(self.entries[path] for path in sorted(self.entries))
        for entry in reversed(entries):
            file = self.root / entry.path
            if entry.type != "link":
                file.chmod(entry.mode)
            os.utime(file, (epoch, epoch), follow_symlinks=False)
        self.root.chmod(0o755)
        os.utime(self.root, (epoch, epoch))
        return entries

    def _fold(self, path: str) -> str:
        short = folded(path)
        if short != path:
            self.folded.add(short.removeprefix("usr/bin/"))
        return short

    def _remove_other_folders(self, paths: Iterable[str]) -> None:
        kept = {self.root / path for path in paths}
        for parent, folders, _ in os.walk(self.root, topdown=False):
            for name in folders:
                folder = Path(parent, name)
                if folder not in kept and not folder.is_symlink():
                    folder.rmdir()

    def _parent(self, path: str) -> None:
        for parent in reversed([*takewhile(lambda each: each not in self._made, parents(path))]):
            folder = self.root / parent
            if folder.is_symlink() or parent in self.entries:
                raise ImageError(
                    f"{path} would lie below {parent}, which is a {self._type(parent)}",
                    fix="install one of them elsewhere, or drop one",
                )
            folder.mkdir(mode=0o755, exist_ok=True)
            self._made.add(parent)

    def _type(self, path: str) -> str:
        entry = self.entries.get(path)
        return entry.type if entry else "link"

    def _create(self, path: str) -> BinaryIO:
        self._parent(path)
        try:
            return (self.root / path).open("xb")
        except (FileExistsError, IsADirectoryError) as error:
            raise self._occupied(path, error) from None

    def _occupied(self, path: str, error: OSError) -> ImageError:
        existing = self.entries.get(path)
        return ImageError(
            f"two things want to be {path}",
            why=f"it comes from {existing.origin} already" if existing else f"{error.strerror}",
            fix="install one of them elsewhere, or choose the members with a narrower pattern",
        )


def _is_program(path: str) -> bool:
    return path.rpartition("/")[0].endswith(("/bin", "/libexec"))
