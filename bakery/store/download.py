"""Assets, fetched into the store and verified as they arrive."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bakery.http.address import file_name, shown
from bakery.http.client import Client
from bakery.progress import Silent
from bakery.store.errors import DownloadError
from bakery.store.partial import Partial
from bakery.store.pull import Expected, Pull

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.progress import Progress
    from bakery.settings import Settings
    from bakery.store.folder import Store
    from bakery.store.pull import Resolve


class Asset(Protocol):
    """A file that upstream publishes, as the lock pins it."""

    @property
    def url(self) -> str:
        """Where upstream publishes it."""

    @property
    def sha256(self) -> str:
        """Its digest, in lower-case hexadecimal."""

    @property
    def size(self) -> int | None:
        """Its bytes; None where the lock doesn't know."""


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A file in the store."""

    sha256: str
    size: int
    path: Path


def fetch(
    store: Store,
    asset: Asset,
    *,
    settings: Settings,
    progress: Progress | None = None,
    resolve: Resolve = str,
    client: Client | None = None,
) -> Path:
    """Return the path of an asset in the store, after downloading it if it is not there.

    The mirror is asked or, without one, upstream. Several threads and processes may ask for the
    same asset: one downloads it, the others wait.

    Args:
        store: where the asset is looked for and kept.
        asset: what to fetch.
        settings: for `mirror` and `offline`.
        progress: hears of the bytes.
        resolve: called with the asset's address if upstream's own is needed.
        client: asks; None for the usual retries and limits.

    Raises:
        DownloadError: it is not in the store, and the settings say offline, or no source gave it.
        WrongBytesError: other bytes came than the lock pins.
        StoreError: the store can't be written, or its disk is full.

    """
    if path := store.find(asset.sha256, asset.size):
        return path

    def refuse(_address: str) -> str:
        raise _offline(asset.url, why=f"sha256 {asset.sha256} is not in {store.root}")

    if settings.offline and not settings.is_mirror_here:
        refuse(asset.url)
    with store.explained(), store.lock(asset.sha256):
        if path := store.find(asset.sha256, asset.size):
            return path
        with Partial(store.partials, asset.sha256) as partial:
            pull = Pull(
                partial=partial,
                expected=Expected(sha256=asset.sha256, size=asset.size),
                progress=progress or Silent(),
                client=client or Client(),
            )
            asked = refuse if settings.offline else resolve
            pull.from_upstream(asset.url, mirror=settings.mirror, resolve=asked)
            return _adopt(store, partial).path


def download_unpinned(
    store: Store,
    url: str,
    *,
    settings: Settings,
    resolve: Resolve = str,
    client: Client | None = None,
) -> Blob:
    """Download a file whose digest nobody knows yet, and return what came.

    The answer is trusted: this is for writing a lock, never for a build. An empty file or a web
    page is refused, since no asset is either.

    Args:
        store: where the file is kept, by the digest it turns out to have.
        url: the address that the lock will hold.
        settings: for `mirror` and `offline`.
        resolve: called with the address.
        client: asks; None for the usual retries and limits.

    Raises:
        DownloadError: the settings say offline, or no source gave it.
        StoreError: the store can't be written, or its disk is full.

    """
    if settings.offline:
        raise _offline(url, why="only upstream can say what a file's digest is")
    key = hashlib.sha256(url.encode()).hexdigest()
    with store.explained(), store.lock(key), Partial(store.partials, key) as partial:
        pull = Pull(
            partial=partial, expected=Expected(), progress=Silent(), client=client or Client()
        )
        pull.from_upstream(url, mirror=settings.mirror_of_addresses, resolve=resolve)
        return _adopt(store, partial)


def _adopt(store: Store, partial: Partial) -> Blob:
    digest = partial.sha256()
    path = store.adopt(partial.path, digest)
    partial.discard()
    return Blob(sha256=digest, size=partial.size, path=path)


def _offline(url: str, *, why: str) -> DownloadError:
    return DownloadError(
        f"{file_name(url)} is needed, and the work is offline",
        where=shown(url),
        why=why,
        fix="run once without BAKERY_OFFLINE; or set BAKERY_STORE to a store that has it, or\n"
        "BAKERY_MIRROR to a folder that does: `bakery mirror --assets` fills one",
    )
