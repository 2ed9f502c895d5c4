"""The sizes that a lock lacks, as upstream tells them without a download."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bakery.upstream import github
from bakery.upstream.resolve import resolve

if TYPE_CHECKING:
    from bakery.recipe.lock import Lock, LockedAsset, LockedVersion
    from bakery.settings import Settings
    from bakery.upstream.api import Api

_ASSETS = 6


def with_sizes(lock: Lock, settings: Settings, api: Api) -> Lock:
    """Return a lock with the sizes that it lacks and that upstream tells.

    They are no evidence: a wrong one only makes a download fail.

    Raises:
        UpstreamError: upstream does not answer, or no longer has an asset.

    """
    known = lock
    for tag, locked in lock.versions.items():
        if any(asset.size is None for asset in locked.assets):
            known = known.with_version(tag, _sized(locked, settings, api))
    return known


def _sized(locked: LockedVersion, settings: Settings, api: Api) -> LockedVersion:
    with ThreadPoolExecutor(_ASSETS) as pool:
        assets = tuple(pool.map(partial(_ask, settings=settings, api=api), locked.assets))
    return replace(locked, assets=assets)


def _ask(asset: LockedAsset, *, settings: Settings, api: Api) -> LockedAsset:
    if asset.size is not None or asset.url.startswith("file:"):
        return asset
    address = resolve(asset.url, settings)
    size = api.size(address, direct=address != asset.url)
    return replace(asset, size=github.size_of(asset.url, api) if size is None else size)
