"""Which versions a recipe's `build:` asks for, of those that upstream publishes."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

from bakery.recipe.condition import Condition
from bakery.recipe.debian import is_renewed
from bakery.recipe.model import Latest
from bakery.recipe.upstreams import DebianUpstream
from bakery.recipe.validate import is_fixed
from bakery.recipe.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bakery.recipe.model import Recipe


class Published(msgspec.Struct, frozen=True):
    """A version that upstream publishes.

    Attributes:
        tag: the version as upstream writes it.
        date: the day it was published, where upstream tells.
        prerelease: whether upstream calls it one; None where upstream doesn't say, and its tag
            tells.
        yanked: upstream has taken it back.

    """

    tag: str
    date: dt.date | None = None
    prerelease: bool | None = None
    yanked: bool = False


def offered(published: Iterable[Published], *, prerelease: bool = False) -> list[Published]:
    """Return what may be chosen without being named, oldest first.

    What upstream has taken back is out, as are enterprise editions (`+ent`) and, unless they are
    asked for, pre-releases. Of two spellings of one version the first counts.

    Args:
        published: all that upstream has; tags that are no versions are passed over.
        prerelease: whether pre-releases count.

    """
    by_version: dict[Version, Published] = {}
    for item in published:
        if not Version.is_written(item.tag) or item.yanked:
            continue
        version = Version.parse(item.tag)
        preview = version.is_prerelease if item.prerelease is None else item.prerelease
        if not version.build.startswith("ent") and (prerelease or not preview):
            by_version.setdefault(version, item)
    return [by_version[version] for version in sorted(by_version)]


def choice(recipe: Recipe, published: Iterable[Published], locked: Iterable[str]) -> list[str]:
    """Return the versions that a recipe's `build:` chooses from.

    Beside those on offer, of Debian packages, what is locked of one with newer dependencies.

    Args:
        recipe: whose upstream publishes.
        published: what is on offer.
        locked: the versions in its lock.

    """
    tags = [item.tag for item in published]
    if not isinstance(recipe.upstream, DebianUpstream):
        return tags
    return [*tags, *(tag for tag in locked if any(is_renewed(tag, each) for each in tags))]


def asked_for(recipe: Recipe, tags: Iterable[str]) -> list[str]:
    """Return the versions that a recipe's `build:` asks for, oldest first.

    Args:
        recipe: whose `build:` counts.
        tags: the versions on offer; fixed ones need not be among them.

    """
    versions = sorted(map(Version.parse, tags))
    chosen = {version for policy in recipe.build for version in _of_policy(policy, versions)}
    return [version.tag for version in sorted(chosen)]


def _of_policy(policy: str | Latest, versions: Sequence[Version]) -> Iterable[Version]:
    if isinstance(policy, Latest):
        return _newest_of_series(policy, versions)
    if policy == "latest":
        return versions[-1:]
    if is_fixed(policy):
        return [Version.parse(policy)]
    return filter(Condition.parse(policy).holds, versions)


def _newest_of_series(policy: Latest, versions: Sequence[Version]) -> Iterator[Version]:
    depth = {"major": 1, "minor": 2}[policy.latest]
    newest = {version.series(depth): version for version in versions}
    yield from sorted(newest.values())[-policy.keep :]


def described(recipe: Recipe) -> str:
    """Return in a few words what `build:` follows, or that it fixes all versions."""
    words = [_words(policy) for policy in recipe.build if not is_fixed(policy)]
    return "; ".join(words) or "fixed"


def _words(policy: str | Latest) -> str:
    if isinstance(policy, Latest):
        series = f"of {policy.keep} {policy.latest}" if policy.keep > 1 else policy.latest
        return f"latest {series}"
    return policy
