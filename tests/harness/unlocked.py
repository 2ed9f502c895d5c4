"""Recipes without a lock, as they will be once somebody has pinned a version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bakery.recipe.lock import Lock, LockedAsset, LockedVersion
from bakery.recipe.pins import claims
from bakery.recipe.requests import requests
from bakery.recipe.upstreams import RecipePart
from bakery.recipe.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bakery.recipe.load import Source

VERSION = "v1.2.3"


def as_if_locked(source: Source, sources: Mapping[str, Source]) -> Source:
    """Return a recipe with its lock; or, if it has none and is made of downloads, an invented one.

    The invention is one version with any digests, and the newest locked versions of other recipes.
    """
    if source.lock.versions:
        return source
    parts = {
        name: sources[part.recipe].lock.tags[-1] if isinstance(part, RecipePart) else VERSION
        for name, part in source.recipe.parts.items()
    }
    strongest = {
        request.url: [kind for kind in claims(source, request) if kind != "cited"][-1]
        for arch in source.recipe.arch
        for request in requests(source, Version.parse(VERSION), arch, parts)
    }
    assets = tuple(
        LockedAsset(url=url, sha256=f"{number + 1:064x}", trust=strongest[url])
        for number, url in enumerate(sorted(filter(None, strongest)))
    )
    if len(assets) < len(strongest):
        return source
    lock = Lock(versions={VERSION: LockedVersion(parts=parts, assets=assets)})
    return msgspec.structs.replace(source, lock=lock)
