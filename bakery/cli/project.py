"""The project in whose folder a command runs."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bakery import settings
from bakery.errors import BakeryError
from bakery.text import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.recipe.load import Source
    from bakery.recipe.plan import Release
    from bakery.settings import Settings


class Project:
    """The project in whose folder a command runs; each part is read when it is first used."""

    @cached_property
    def settings(self) -> Settings:
        """The project's settings."""
        return settings.load(_root())

    @cached_property
    def sources(self) -> dict[str, Source]:
        """All recipes, by name."""
        from bakery.recipe.load import load_all

        return load_all(self.settings.recipes)

    def source(self, name: str) -> Source:
        """Return the recipe called `name`.

        Raises:
            BakeryError: there is none.

        """
        if name not in self.sources:
            near = nearest(name, self.sources)
            raise BakeryError(
                f"there is no recipe {name}",
                fix=f"did you mean {near}?" if near else f"there are: {', '.join(self.sources)}",
            )
        return self.sources[name]

    def chosen(self, names: Sequence[str]) -> dict[str, Source]:
        """Return the recipes called `names`, or all if there are no names.

        Raises:
            BakeryError: there is no such recipe.

        """
        return {name: self.source(name) for name in names} or self.sources

    @cached_property
    def releases(self) -> list[Release]:
        """Every version that a lock holds or a recipe fixes."""
        from bakery.recipe.plan import releases

        return [release for source in self.sources.values() for release in releases(source)]


def _root() -> Path:
    """Return the current folder or the first above it with a dodo.py."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dodo.py").is_file():
            return folder
    return here
