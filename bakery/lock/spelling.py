"""How upstream spells a version that somebody wants to lock."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from bakery.errors import BakeryError
from bakery.recipe.lock import LockError
from bakery.recipe.upstreams import GithubUpstream
from bakery.recipe.version import Version
from bakery.upstream.api import Api
from bakery.upstream.versions import listed

if TYPE_CHECKING:
    from bakery.recipe.load import Source
    from bakery.settings import Settings


def spelled(source: Source, text: str, settings: Settings) -> Version:
    """Return the version that a text spells as upstream does.

    What upstream does not list at all may be there all the same: lists are cut, and not every
    recipe has one.

    Raises:
        LockError: upstream lists this version under another name alone.
        GrammarError: the text is no version.

    """
    tags: set[str] = set()
    if source.recipe.upstream is not None and text not in source.lock.versions:
        with suppress(BakeryError), Api(settings) as api:
            tags = {item.tag for item in listed(source.recipe.upstream, api)}
    bare = _bare(source, text)
    same = sorted(tag for tag in tags if _bare(source, tag) == bare)
    if same and text not in tags:
        raise LockError(
            f"upstream publishes no {text} of {source.name}, but {' and '.join(same)}",
            why="a recipe's addresses are made of the version as upstream writes it",
            fix=f"bakery lock {source.name} {same[0]}",
        )
    return Version.parse(text)


def _bare(source: Source, tag: str) -> str:
    """Return a tag without what is around versions in upstream's tags and in people's heads."""
    upstream = source.recipe.upstream
    pattern = upstream.tag if isinstance(upstream, GithubUpstream) else "{version}"
    before, _, behind = pattern.partition("{version}")
    plain = tag.removeprefix(before).removesuffix(behind).removeprefix(f"{source.name}-")
    return plain.lower().removeprefix("v")
