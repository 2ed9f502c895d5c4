"""What a command line needs of the project: recipes, releases, images."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from bakery import settings, trace
from bakery.build.context import Context
from bakery.build.steps import fetch
from bakery.errors import BakeryError
from bakery.recipe.load import Recipes
from bakery.recipe.plan import newest, releases, required

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.build.selection import Selection
    from bakery.recipe.load import Source
    from bakery.recipe.plan import Asset, Image, Release


class Project:
    """The recipes that a command line needs, and what dodo.py makes steps of.

    Attributes:
        context: what the steps share.
        recipes: all recipes, each read when it is looked up.
        sources: the recipes that the command line needs.
        broken: for every recipe that can't be used, what is wrong.
        releases: every version of the recipes that a lock holds or a recipe fixes, oldest first.
        images: every image of the releases that can be built.

    """

    def __init__(self, root: Path, selection: Selection) -> None:
        """Load what is needed of the project in `root`.

        Raises:
            BakeryError: a setting is wrong, or there are no recipes.

        """
        self.context = Context.of(settings.load(root))
        path = selection.profile_trace or self.context.settings.profile_trace
        if path and selection.command == "run":
            trace.start(path)
        with trace.span("load recipes"):
            self._read(selection)

    def _read(self, selection: Selection) -> None:
        self.recipes = Recipes(self.context.settings.recipes)
        names = selection.recipes(self.recipes)
        self.sources, self.broken = self._load(self.recipes if names is None else names)
        if names is None and not self.recipes:
            raise _no_recipes(self.context.settings.recipes)
        self.releases = [release for source in self.sources for release in releases(source)]
        self.images = [image for release in self.releases for image in release.images]

    def _load(self, names: Iterable[str]) -> tuple[list[Source], dict[str, BakeryError]]:
        """Return recipes and those that they require, and what is wrong with the others."""
        sources: dict[str, Source] = {}
        broken: dict[str, BakeryError] = {}
        for name in names:
            try:
                sources.update(self._with_required(name))
            except BakeryError as problem:
                broken[name] = problem
        return [sources[name] for name in sorted(sources)], broken

    def _with_required(self, name: str) -> dict[str, Source]:
        sources: dict[str, Source] = {}
        pending = [name]
        while pending:
            each = pending.pop()
            if each not in sources:
                sources[each] = self.recipes[each]
                pending += sources[each].recipe.requires
        return sources

    @cached_property
    def assets(self) -> dict[str, Asset]:
        """Every asset once, by the name of its step."""
        return {
            fetch.name(asset): asset for image in self.images for asset in image.contents.assets
        }

    @cached_property
    def newest_by_name(self) -> dict[tuple[str, Arch], Image]:
        """The images of each recipe's newest release that can be built, by recipe and processor."""
        return newest(self.releases)

    @cached_property
    def newest(self) -> list[Image]:
        """The images of `newest_by_name`."""
        return list(self.newest_by_name.values())

    def required(self, image: Image) -> list[Image]:
        """Return the newest images of the recipes that an image requires, theirs included."""
        return required(image, self.newest_by_name)

    def by_recipe(self) -> Iterator[tuple[Source, list[Release]]]:
        """Yield every recipe with its releases, oldest first."""
        releases_of: dict[str, list[Release]] = {source.name: [] for source in self.sources}
        for release in self.releases:
            releases_of[release.source.name].append(release)
        for source in self.sources:
            yield source, releases_of[source.name]


def _no_recipes(folder: Path) -> BakeryError:
    return BakeryError(
        "there are no recipes yet",
        where=str(folder),
        fix="write one with `bakery new`, or set BAKERY_RECIPES to the folder that holds them",
    )
