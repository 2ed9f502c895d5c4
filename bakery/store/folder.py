"""A folder of files named by their digests, which are verified on the way in."""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from stat import S_IMODE, S_ISREG
from typing import TYPE_CHECKING

from bakery.files import move
from bakery.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

SEAL_MODE = 0o444
SEAL_MTIME_NS = 1_000_000_000 * 10**9
"""The modification time of a verified blob: even seconds, which every file system can record."""


@dataclass(frozen=True)
class Store:
    """A content-addressed folder that threads, processes and projects may share.

    A blob lies at `sha256/ab/abcdef…`. It is sealed when it comes in: read-only, with a fixed
    modification time. Any later write or truncation breaks the seal, and a blob without its seal
    counts as not there. So one stat tells whether a blob is likely whole; who makes something of
    its bytes hashes them, since a disk may fail, and a seal can be forged. Its access time says
    when it was last used.

    Attributes:
        root: the store's folder; made when something is first written.

    """

    root: Path

    @property
    def blobs(self) -> Path:
        """The folder that holds a folder for every first two digits of a digest."""
        return self.root / "sha256"

    @property
    def partials(self) -> Path:
        """The folder for files on their way in, on the same file system as the blobs."""
        return self.root / "partial"

    def path(self, sha256: str) -> Path:
        """Return where the blob lies, if the store has it."""
        return self.root / f"sha256/{sha256[:2]}/{sha256}"

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Tell whether the blob is there, sealed, and of this size where one is given."""
        try:
            status = self.path(sha256).stat()
        except OSError:  # whatever keeps it from being looked at keeps it from being used
            return False
        return is_sealed(status) and size in (None, status.st_size)

    def find(self, sha256: str, size: int | None = None) -> Path | None:
        """Return the blob's path and note that it is used; None when `has` says no."""
        if not self.has(sha256, size):
            return None
        path = self.path(sha256)
        with suppress(OSError):  # a store on a read-only or foreign disk serves as well
            os.utime(path, ns=(time.time_ns(), SEAL_MTIME_NS))
        return path

    def adopt(self, temporary: Path, sha256: str) -> Path:
        """Move a verified file into the store, instead of a broken one, and return its path.

        Args:
            temporary: a file below `partials` whose digest is known to be `sha256`.
            sha256: the digest, in lower-case hexadecimal.

        """
        path = self.path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.chmod(SEAL_MODE)
        os.utime(temporary, ns=(time.time_ns(), SEAL_MTIME_NS))
        move(temporary, path)
        return path

    def discard(self, sha256: str) -> None:
        """Remove a blob that turned out to be another one, if it is there.

        Raises:
            StoreError: it can't be removed.

        """
        with self.explained():
            self.path(sha256).unlink(missing_ok=True)

    def lock(self, key: str, *, timeout: float = -1) -> AbstractContextManager[object]:
        """Return a lock against everybody else who downloads what `key` (a digest) names.

        Digests that begin alike share a lock, since a lock's file can never be removed safely:
        so their number is bounded.

        Args:
            key: the digest, in lower-case hexadecimal.
            timeout: seconds to wait before `TimeoutError`; a negative number waits for ever.

        """
        from filelock import FileLock

        folder = self.root / "lock"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / key[:3], timeout=timeout)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the operating system's refusals inside the block into errors about the store.

        Raises:
            StoreError: there is no room left.
            StoreError: something else keeps the store from being written.

        """
        try:
            yield
        except OSError as error:
            if is_full(error):
                raise full(self.root, why=str(error.strerror)) from error
            raise StoreError(
                "the store can't be written",
                where=error.filename or str(self.root),
                why=error.strerror or str(error),
                fix="set BAKERY_STORE to a folder that you may write",
            ) from error


def is_sealed(status: os.stat_result) -> bool:
    """Tell whether a file is as `Store.adopt` left it."""
    return (
        S_ISREG(status.st_mode)
        and S_IMODE(status.st_mode) == SEAL_MODE
        and status.st_mtime_ns == SEAL_MTIME_NS
    )


def is_full(error: OSError) -> bool:
    """Tell whether a write failed for want of room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def full(folder: Path, *, why: str) -> StoreError:
    """Return the error that says that the disk below a folder is full."""
    return StoreError(
        "the disk that holds the store is full",
        where=str(folder),
        why=why,
        fix="free some room, perhaps with `bakery gc`, or set BAKERY_STORE to a folder on a\n"
        "larger disk; then run again: what has arrived is kept",
    )
