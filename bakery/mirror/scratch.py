"""Where files are on their way: a folder that survives its process, so that the next goes on."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from bakery.files import move, remove, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bakery.store.folder import Store

_LOCK = "lock"


@dataclass(frozen=True)
class Scratch:
    """A folder of files by their digests, for one process at a time.

    Attributes:
        folder: the folder.

    """

    folder: Path

    @property
    def owner(self) -> str:
        """A word for whose drafts at publishers are those of who uses this folder."""
        from uuid import getnode

        return hashlib.sha256(f"{getnode()} {self.folder}".encode()).hexdigest()[:12]

    @property
    def partials(self) -> Path:
        """The folder for files that are not whole."""
        return self.folder / "partial"

    def path(self, digest: str) -> Path:
        """Return where the file of a digest lies, if it is here."""
        return self.folder / digest

    def find(self, digest: str) -> Path | None:
        """Return a file that is here, as an earlier process may have left it; None if it is not."""
        path = self.path(digest)
        if not path.is_file():
            return None
        if sha256(path) == digest:
            return path
        path.unlink()
        return None

    def write(self, digest: str, data: bytes) -> Path:
        """Keep bytes whose digest is known."""
        self.path(digest).write_bytes(data)
        return self.path(digest)

    def adopt(self, partial: Path, digest: str) -> Path:
        """Keep a finished file whose digest is known."""
        move(partial, self.path(digest))
        return self.path(digest)

    def clear(self) -> None:
        """Remove all files."""
        for path in self.folder.iterdir():
            if path.name != _LOCK:
                remove(path)


@contextmanager
def scratch(store: Store) -> Iterator[Scratch]:
    """Provide the first scratch folder beside a store that no other process uses."""
    from filelock import FileLock, Timeout

    for number in count():
        folder = store.root / "mirror" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        with lock:
            yield Scratch(folder)
        return
