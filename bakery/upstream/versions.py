"""What an upstream of any kind publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bakery.recipe.policy import Published, offered
from bakery.recipe.upstreams import (
    DebianUpstream,
    GithubUpstream,
    HashicorpUpstream,
    KubernetesUpstream,
    ListingUpstream,
    ListUpstream,
    NpmUpstream,
    PypiUpstream,
)
from bakery.text import decoded
from bakery.upstream import debian, github, hashicorp, kubernetes, listing, npm, simple_index
from bakery.upstream.errors import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bakery.recipe.upstreams import Upstream
    from bakery.upstream.api import Api


def _named(upstream: ListUpstream, api: Api) -> Iterator[Published]:
    """Yield the versions that the recipe names itself, or that a text file has, one a line.

    In a file, text behind a # does not count.
    """
    listed = upstream.versions
    if isinstance(listed, str):
        lines = decoded(api.get(listed, accept="text/plain, */*").content).splitlines()
        listed = tuple(word for line in lines if (word := line.partition("#")[0].strip()))
    yield from map(Published, listed)


_KINDS: dict[type, Callable[[Any, Api], Iterable[Published]]] = {
    GithubUpstream: github.versions,
    HashicorpUpstream: hashicorp.versions,
    KubernetesUpstream: kubernetes.versions,
    ListingUpstream: listing.versions,
    PypiUpstream: simple_index.versions,
    NpmUpstream: npm.versions,
    DebianUpstream: debian.versions,
    ListUpstream: _named,
}


def offers(upstream: Upstream, api: Api) -> list[Published]:
    """Return the versions of an upstream that may be chosen without being named, oldest first.

    Raises:
        UpstreamError: upstream does not tell, or has none.

    """
    published = listed(upstream, api)
    choice = offered(published, prerelease=upstream.prerelease)
    if not choice:
        seen = ", ".join(item.tag for item in published[:5])
        raise UpstreamError(
            "upstream has no version that can be chosen",
            where=_written(upstream),
            why=f"it publishes {seen}" if seen else "nothing that it publishes fits",
            fix="correct the recipe's upstream: (its tag: or pattern:), or add prerelease: true",
        )
    return choice


def listed(upstream: Upstream, api: Api) -> list[Published]:
    """Return all versions that an upstream lists, without what its `tag:` has around them.

    Raises:
        UpstreamError: upstream does not tell.

    """
    published = list(_KINDS[type(upstream)](upstream, api))
    if isinstance(upstream, GithubUpstream):
        return _untagged(published, upstream.tag)
    return published


def _written(upstream: Upstream) -> str:
    """Return an upstream as recipes write it."""
    keys = msgspec.to_builtins(upstream).items()
    return f"{{{', '.join(f'{key}: {value}' for key, value in keys)}}}"


def _untagged(published: Iterable[Published], tag: str) -> list[Published]:
    """Return the versions whose tags are written as `tag` says, without what is around them."""
    before, _, behind = tag.partition("{version}")
    return [
        msgspec.structs.replace(item, tag=item.tag[len(before) : len(item.tag) - len(behind)])
        for item in published
        if item.tag.startswith(before) and item.tag.endswith(behind)
    ]
