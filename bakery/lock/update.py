"""Bringing locks up to date with upstream, many recipes side by side."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, TypeVar

from bakery.errors import BakeryError
from bakery.files import write_whole
from bakery.lock.pin import lock_version
from bakery.lock.sizes import with_sizes
from bakery.recipe import lock as lockfile
from bakery.recipe.folder import LOCK
from bakery.recipe.lock import Lock
from bakery.recipe.pins import fits
from bakery.recipe.policy import asked_for, choice, described
from bakery.recipe.upstreams import RecipePart
from bakery.recipe.validate import is_fixed
from bakery.recipe.version import Version
from bakery.upstream.api import Api
from bakery.upstream.versions import offers
from bakery.workers import Workers
from bakery.yaml.grammar import GrammarError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from bakery.recipe.load import Source
    from bakery.recipe.model import Recipe
    from bakery.recipe.policy import Published
    from bakery.settings import Settings

_T = TypeVar("_T")
_RECIPES = 6


@dataclass(frozen=True, kw_only=True)
class Update:
    """What became of one recipe.

    Attributes:
        name: the recipe.
        added: versions that are locked now.
        mended: versions whose lock did not fit the recipe any more, and does now.
        pruned: versions that are not locked any more.
        sized: versions whose lock has learnt the sizes of assets.
        failures: what went wrong on the way.

    """

    name: str
    added: Sequence[str] = ()
    mended: Sequence[str] = ()
    pruned: Sequence[str] = ()
    sized: Sequence[str] = ()
    failures: Sequence[BakeryError] = ()


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a recipe stands beside its upstream.

    Attributes:
        name: the recipe.
        policy: what its `build:` follows.
        locked: the newest version in its lock.
        newest: the newest that upstream offers; None where nothing lists versions.
        missing: versions that `build:` asks for and the lock lacks, or whose lock does not fit.
        failure: why upstream could not be asked.

    """

    name: str
    policy: str
    locked: str | None
    newest: Published | None = None
    missing: Sequence[str] = ()
    failure: BakeryError | None = None


def update(
    chosen: Mapping[str, Source],
    *,
    sources: Mapping[str, Source],
    settings: Settings,
    parts: Mapping[str, str] | None = None,
    prune: bool = False,
) -> Iterator[Update]:
    """Lock what the `build:` of recipes asks for and their locks lack; yield each when it is done.

    So are versions whose lock does not fit the recipe any more, and sizes of assets that are locked
    without. What is pinned already keeps its digest.

    Recipes that follow others come after them. What fails for one version stops no other. Of
    recipes with files of one's own (`file:`), nothing is locked that is not named: nobody knows
    which versions are there.

    Args:
        chosen: the recipes to update.
        sources: all recipes, for parts that follow another one.
        settings: where downloads come from and go.
        parts: versions chosen for parts; the others are looked up.
        prune: drop locked versions that `build:` doesn't ask for, unless something failed.

    Raises:
        BakeryError: recipes follow each other in a circle.

    """
    with Api(settings) as api:

        def work(source: Source) -> Update:
            return _Updater(source, sources, settings, parts or {}).run(api, prune=prune)

        yield from _side_by_side(chosen, work)


def standings(chosen: Mapping[str, Source], settings: Settings) -> list[Standing]:
    """Return where recipes stand beside their upstreams, in their own order."""
    with Api(settings) as api, Workers(_RECIPES) as pool:
        return list(pool.map(lambda source: _standing(source, api), chosen.values()))


@dataclass(frozen=True)
class _Updater:
    source: Source
    sources: Mapping[str, Source]
    settings: Settings
    parts: Mapping[str, str]
    failures: list[BakeryError] = field(default_factory=list)

    def run(self, api: Api, *, prune: bool) -> Update:
        """Lock what is missing and drop what is too much."""
        asked = self._asked(api)
        missing = [tag for tag in asked if tag not in self.source.lock.versions]
        added = [tag for tag in missing if self._lock(tag)]
        surplus = [tag for tag in self.source.lock.tags if tag not in asked]
        pruned = surplus if prune and asked and not self.failures else []
        if pruned:
            self._drop(pruned)
        kept = [tag for tag in self.source.lock.tags if tag not in pruned]
        mended = [tag for tag in kept if not self._fits(tag) and self._lock(tag)]
        sized = self._add_sizes(api)
        return Update(
            name=self.source.name,
            added=added,
            mended=mended,
            pruned=pruned,
            sized=sized,
            failures=tuple(self.failures),
        )

    def _asked(self, api: Api) -> list[str]:
        recipe = self.source.recipe
        tags: list[str] = []
        try:
            if recipe.upstream and not (all(map(is_fixed, recipe.build)) or _is_own(recipe)):
                tags = choice(recipe, offers(recipe.upstream, api), self.source.lock.tags)
        except BakeryError as error:
            self.failures.append(error)
        return asked_for(recipe, tags)

    def _fits(self, tag: str) -> bool:
        """Return whether a build takes what is locked, or fails for the recipe's own fault."""
        try:
            return fits(self.source, Version.parse(tag))
        except GrammarError as error:
            self.failures.append(error)
            return True

    def _lock(self, tag: str) -> bool:
        try:
            lock_version(
                self.source,
                Version.parse(tag),
                sources=self.sources,
                settings=self.settings,
                parts=self.parts,
            )
        except BakeryError as error:
            self.failures.append(error)
            return False
        return True

    def _add_sizes(self, api: Api) -> list[str]:
        path = self.source.folder / LOCK
        before = lockfile.read(path)
        now, failures = with_sizes(before, self.settings, api)
        self.failures.extend(failures)
        if now != before:
            write_whole(path, lockfile.encode(now))
        return [tag for tag in now.tags if now.versions[tag] != before.versions[tag]]

    def _drop(self, tags: Sequence[str]) -> None:
        path = self.source.folder / LOCK
        versions = lockfile.read(path).versions
        kept = {tag: locked for tag, locked in versions.items() if tag not in tags}
        write_whole(path, lockfile.encode(Lock(versions=kept)))


def _is_own(recipe: Recipe) -> bool:
    return any(str(getattr(asset, "url", "")).startswith("file:") for asset in recipe.assets)


def _side_by_side(chosen: Mapping[str, Source], work: Callable[[Source], _T]) -> Iterator[_T]:
    followed = {
        name: {part.recipe for part in source.recipe.parts.values() if isinstance(part, RecipePart)}
        & chosen.keys()
        for name, source in chosen.items()
    }
    order = TopologicalSorter(followed)
    try:
        order.prepare()
    except CycleError as error:
        raise BakeryError(
            "recipes follow each other in a circle",
            why=" → ".join(error.args[1]),
            fix="give one of them another kind of part in parts:",
        ) from None
    running: dict[Future[_T], str] = {}
    with Workers(_RECIPES) as pool:
        while order.is_active():
            running |= {pool.submit(work, chosen[name]): name for name in order.get_ready()}
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                order.done(running.pop(future))
                yield future.result()


def _standing(source: Source, api: Api) -> Standing:
    recipe = source.recipe
    newest: Published | None = None
    missing: list[str] = []
    failure: BakeryError | None = None
    try:
        published = offers(recipe.upstream, api) if recipe.upstream else []
        newest = published[-1] if published else None
        asked = asked_for(recipe, choice(recipe, published, source.lock.tags))
        missing = [tag for tag in asked if not fits(source, Version.parse(tag))]
    except BakeryError as error:
        failure = error
    return Standing(
        name=source.name,
        policy=described(recipe),
        locked=source.lock.ordered[-1].tag if source.lock.versions else None,
        newest=newest,
        missing=missing,
        failure=failure,
    )
