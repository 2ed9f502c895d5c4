"""The sizes that a lock lacks, as upstream tells them without a download."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from bakery.errors import BakeryError
from bakery.upstream import github
from bakery.upstream.resolve import resolve
from bakery.workers import Workers

if TYPE_CHECKING:
    from bakery.recipe.lock import Lock, LockedAsset
    from bakery.settings import Settings
    from bakery.upstream.api import Api

_ASSETS = 6


def with_sizes(lock: Lock, settings: Settings, api: Api) -> tuple[Lock, list[BakeryError]]:
    """Return a lock with the sizes that it lacks and that upstream tells, and what went wrong.

    They are no evidence: a wrong one only makes a download fail.
    """
    known = lock
    failures: list[BakeryError] = []

    def ask(asset: LockedAsset) -> LockedAsset:
        try:
            return replace(asset, size=_size(asset, settings, api))
        except BakeryError as error:
            failures.append(error)
            return asset

    with Workers(_ASSETS) as pool:
        for tag, locked in lock.versions.items():
            if any(map(_lacks, locked.assets)):
                assets = tuple(pool.map(lambda a: ask(a) if _lacks(a) else a, locked.assets))
                known = known.with_version(tag, replace(locked, assets=assets))
    return known, failures


def _lacks(asset: LockedAsset) -> bool:
    return asset.size is None and not asset.url.startswith("file:")


def _size(asset: LockedAsset, settings: Settings, api: Api) -> int | None:
    address = resolve(asset.url, settings)
    size = api.size(address, direct=address != asset.url)
    return github.size_of(asset.url, api) if size is None else size
