"""What to do about costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.costs.model import Costs

HOURLY = 1000
"""Calls that GitHub takes of a workflow's own token, an hour and repository.

https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

_LARGE = 1.5  # times its oldest version
_OTHERS = 1 << 30


def hints(costs: Costs) -> Iterator[str]:
    """Yield what to do about costs."""
    for each in costs.calls:
        if each.calls > HOURLY:
            yield (
                f"{each.workflow} makes {each.calls} calls, and GitHub takes {HOURLY} an hour: "
                "it waits, or fails; lock fewer versions, or publish to a folder"
            )
    unknown = sum(origin.unknown for origin in costs.fetched)
    if unknown:
        yield (
            f"of {unknown} assets the size is not known before they are fetched: what is marked "
            "with > is more"
        )
    others = sum(each.bytes for each in costs.stored if each.what == "store: of others")
    if others > _OTHERS:
        yield f"{format_size(others)} of the store are not this catalogue's: bakery gc"
    grown = [(each.factor, each.name) for each in costs.growth if each.factor]
    if grown and max(grown)[0] >= _LARGE:
        factor, name = max(grown)
        yield (
            f"{name} has grown to {factor:.1f} times its oldest version: "
            "look what is new in it, and `drop:` what nobody needs"
        )
    if not costs.steps:
        yield "no step is on record here: doit build"
    elif not any(step.kind == "boot" for step in costs.steps):
        yield "no boot is on record here: doit boot"
    if costs.published is None:
        yield "what is published is looked up with --published"
