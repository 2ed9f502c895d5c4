"""fetch: an asset, from upstream or a mirror, into the store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bakery.build.step import Made, Nothing, Step

if TYPE_CHECKING:
    from bakery.build.context import Context
    from bakery.build.step import Work
    from bakery.recipe.plan import Asset


def name(asset: Asset) -> str:
    """Return the name of an asset's step."""
    return f"{asset.sha256[:12]}-{asset.filename.replace('=', '_')}"


def step(context: Context, asset: Asset) -> Step[Nothing]:
    """Return the step that brings an asset into the store."""
    return Step(
        kind="fetch",
        name=name(asset),
        run=partial(_run, context, asset),
        facts=Nothing,
        content=asset.sha256,
        is_done=partial(context.store.has, asset.sha256, asset.size),
        doc=asset.url,
    )


def _run(context: Context, asset: Asset, work: Work) -> Made[Nothing]:
    from bakery.store.download import fetch
    from bakery.upstream.resolve import resolve

    fetch(
        context.store,
        asset,
        settings=context.settings,
        progress=work.progress,
        resolve=lambda address: resolve(address, context.settings),
    )
    return Made(facts=Nothing())
