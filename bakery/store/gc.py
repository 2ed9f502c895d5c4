"""What may go from the store when it grows too large."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.store.errors import StoreError
from bakery.store.folder import is_sealed
from bakery.store.partial import side_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from bakery.store.folder import Store

PARTIAL_AGE = 24 * 60 * 60
"""Seconds without a new byte after which nobody is expected to go on with a download."""


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A file of the store.

    Attributes:
        path: where it lies, by its digest.
        size: its bytes.
        used_ns: when it was last used, in nanoseconds since 1970.
        whole: whether it is sealed.

    """

    path: Path
    size: int
    used_ns: int
    whole: bool

    @property
    def sha256(self) -> str:
        """Its digest."""
        return self.path.name


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What was removed, or would be.

    Attributes:
        blobs: the blobs, least recently used first.
        partials: how many unfinished downloads.
        freed: bytes of both.
        left: bytes of all blobs that stay; above the limit if `keep` wants it so.

    """

    blobs: tuple[Blob, ...]
    partials: int
    freed: int
    left: int


def collect(
    store: Store, limit: int, keep: AbstractSet[str], *, dry_run: bool = False
) -> Collected:
    """Remove blobs, the least recently used first, until the store is no larger than `limit`.

    Broken blobs and abandoned downloads go in any case. Running downloads, and blobs that
    somebody uses meanwhile, are left alone.

    Args:
        store: the store.
        limit: bytes that may stay.
        keep: digests that always stay.
        dry_run: only tell.

    Raises:
        StoreError: the store's folder can't be read or written.

    """
    if store.root.exists() and not store.root.is_dir():
        raise StoreError(
            "the store is no folder",
            where=str(store.root),
            fix="set BAKERY_STORE to a folder, or move the file away",
        )
    with store.explained():
        partials = list(_abandoned(store, dry_run=dry_run))
        removed = []
        blobs = sorted(_blobs(store), key=lambda blob: (blob.whole, blob.used_ns, blob.path.name))
        left = sum(blob.size for blob in blobs)
        for blob in blobs:
            stays = blob.whole and (left <= limit or blob.path.name in keep)
            if not stays and (dry_run or _remove(blob)):
                removed.append(blob)
                left -= blob.size
    return Collected(
        blobs=tuple(removed),
        partials=len(partials),
        freed=sum(partials) + sum(blob.size for blob in removed),
        left=left,
    )


def _blobs(store: Store) -> Iterator[Blob]:
    for path in store.blobs.glob("??/*"):
        with suppress(FileNotFoundError):  # another collector was faster
            status = path.stat()
            yield Blob(
                path=path, size=status.st_size, used_ns=status.st_atime_ns, whole=is_sealed(status)
            )


def _remove(blob: Blob) -> bool:
    with suppress(FileNotFoundError):
        if blob.path.stat().st_atime_ns == blob.used_ns:
            blob.path.unlink()
            return True
    return False


def _abandoned(store: Store, *, dry_run: bool) -> Iterator[int]:
    """Remove the downloads that nobody goes on with, and return the size of each."""
    for path in sorted(store.partials.glob("*")):
        if path.suffix or not _is_old(path):  # what stands beside a partial goes with it
            continue
        with suppress(TimeoutError), store.lock(path.name, timeout=0):
            if _is_old(path):
                yield path.stat().st_size
                if not dry_run:
                    side_file(path).unlink(missing_ok=True)
                    path.unlink()


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > PARTIAL_AGE
    except FileNotFoundError:
        return False
