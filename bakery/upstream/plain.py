"""Versions that the recipe names itself, or that a text file has, one a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.recipe.policy import Published
from bakery.text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.recipe.upstreams import ListUpstream
    from bakery.upstream.api import Api


def versions(upstream: ListUpstream, api: Api) -> Iterator[Published]:
    """Yield the versions; in a file, text behind a # does not count.

    Raises:
        UpstreamError: the file can't be had.

    """
    listed = upstream.versions
    if isinstance(listed, str):
        lines = decoded(api.get(listed, accept="text/plain, */*").content).splitlines()
        listed = tuple(word for line in lines if (word := line.partition("#")[0].strip()))
    yield from map(Published, listed)
