"""fetch: an asset, from upstream or a mirror, into the store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from bakery.build.step import Made, Step

if TYPE_CHECKING:
    from bakery.build.context import Context
    from bakery.build.state import State
    from bakery.build.step import Work
    from bakery.recipe.plan import Asset

KIND = "fetch"
_DIGITS = 12


def name(asset: Asset) -> str:
    """Return the name of an asset's step."""
    return f"{asset.filename.replace('=', '_')}-{asset.sha256[:_DIGITS]}"


def shown(task: str) -> str:
    """Return a task's name as people know it: an asset's without the digest."""
    return task[: -_DIGITS - 1] if task.startswith(f"{KIND}:") else task


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What is on record of an asset that was fetched and verified.

    Attributes:
        size: its bytes, which locks may lack.

    """

    size: int


def step(context: Context, state: State, asset: Asset) -> Step[Fetched]:
    """Return the step that brings an asset into the store."""
    return Step(
        kind=KIND,
        name=name(asset),
        run=partial(_run, context, asset),
        facts=Fetched,
        content=asset.sha256,
        is_done=lambda: context.store.has(asset.sha256, _size(asset, state)),
        doc=asset.url,
    )


def _size(asset: Asset, state: State) -> int | None:
    """Return an asset's size: by the lock, or as it was when it was first fetched."""
    if asset.size is not None:
        return asset.size
    record = state.record(KIND, name(asset), Fetched)
    return record.facts.size if record and record.key == asset.sha256 else None


def _run(context: Context, asset: Asset, work: Work) -> Made[Fetched]:
    from bakery.store.download import fetch
    from bakery.upstream.resolve import resolve

    path = fetch(
        context.store,
        replace(asset, size=_size(asset, work.state)),
        settings=context.settings,
        progress=work.progress,
        resolve=lambda address: resolve(address, context.settings),
    )
    return Made(facts=Fetched(size=path.stat().st_size))
