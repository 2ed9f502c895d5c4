"""The project in whose folder a command runs."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bakery import settings
from bakery.errors import BakeryError
from bakery.text import did_you_mean, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bakery.arch import Arch
    from bakery.recipe.load import Recipes, Source
    from bakery.recipe.plan import Image, Release
    from bakery.settings import Settings


class Project:
    """The project in whose folder a command runs; each part is read when it is first used."""

    @cached_property
    def settings(self) -> Settings:
        """The project's settings."""
        return settings.load(_root())

    @cached_property
    def recipes(self) -> Recipes:
        """All recipes, by name, each read when it is looked up."""
        from bakery.recipe.load import Recipes

        return Recipes(self.settings.recipes)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The recipes that can be used, by name; what is wrong with others goes to stderr."""
        sources, broken = self.recipes.load()
        for name, problem in broken.items():
            click.echo(f"{name} is left out: {problem.render()}", err=True)
        return sources

    def source(self, name: str) -> Source:
        """Return the recipe called `name`.

        Raises:
            BakeryError: there is none, or it is broken.

        """
        self.refuse_unknown(name)
        return self.recipes[name]

    @contextmanager
    def explaining_names(self, references: Iterable[str]) -> Iterator[None]:
        """Say which recipe was meant where a release or channel of these names is not there.

        Where nobody has said where releases are published, that is said before they are looked for;
        elsewhere, another bakery's may be there, called like one of ours or not.

        Raises:
            BakeryError: a name is like a recipe's.

        """
        meant = {each: near for each in references if (near := self._near(each))}
        if meant and self.settings.is_published_nowhere:
            name, near = next(iter(meant.items()))
            raise BakeryError(f"there is no recipe {name}", fix=f"did you mean {near}?")
        try:
            yield
        except BakeryError as error:
            for name, near in meant.items():
                if f"/{name}/" in f"{error.where}/":
                    error.fix = f"did you mean {near}?"
            raise

    def _near(self, reference: str) -> str | None:
        """Return the recipe that a name resembles; None for one's own, a path or an address."""
        from bakery.recipe.types import EXTENSION_NAME

        is_name = re.fullmatch(EXTENSION_NAME, reference) and not Path(reference).exists()
        if not is_name or not self.settings.recipes.is_dir():
            return None
        starts = [reference[: end.start()] for end in re.finditer("-|$", reference)]
        if any(start in self.recipes for start in starts):
            return None
        return next(filter(None, (nearest(each, self.recipes) for each in starts)), None)

    def refuse_unknown(self, name: str) -> None:
        """Raise a BakeryError if there is no recipe called `name`."""
        if name not in self.recipes:
            known = f"there are: {', '.join(self.recipes)}"
            fix = did_you_mean(name, self.recipes) or known
            raise BakeryError(f"there is no recipe {name}", fix=fix)

    def image(self, name: str, version: str | None = None, arch: str | None = None) -> Image:
        """Return a recipe's image: of its newest locked version, for this machine's processor.

        Raises:
            BakeryError: there is no such recipe, version or architecture, or its lock does not fit.

        """
        from bakery.arch import native_arch
        from bakery.recipe.plan import releases

        source = self.source(name)
        locked = [each for each in releases(source) if version in {None, each.version.tag}]
        if not locked:
            known = ", ".join(each.tag for each in source.lock.ordered)
            raise BakeryError(
                f"{name} {version} is not locked" if version else f"nothing of {name} is locked",
                where=str(source.folder),
                fix=f"bakery lock {name} {version or ''}" + (f"\nlocked: {known}" if known else ""),
            )
        if problem := locked[-1].problem:
            raise problem
        images = {str(image.contents.arch): image for image in locked[-1].images}
        wanted = arch or (native_arch() if native_arch() in images else next(iter(images)))
        if wanted in images:
            return images[wanted]
        raise BakeryError(f"{name} is not built for {arch}", fix=f"take {' or '.join(images)}")

    def chosen(self, names: Sequence[str]) -> dict[str, Source]:
        """Return the recipes called `names`, or all that can be used if there are no names.

        Raises:
            BakeryError: one that is named is not there, or broken.

        """
        return {name: self.source(name) for name in names} or self.sources

    @cached_property
    def releases(self) -> list[Release]:
        """Every version that a lock holds or a recipe fixes, of the recipes that can be used."""
        from bakery.recipe.plan import releases

        return [release for source in self.sources.values() for release in releases(source)]

    @cached_property
    def images(self) -> dict[str, Image]:
        """Every image that can be built, by its full name."""
        return {image.id: image for release in self.releases for image in release.images}

    def required(self, image: Image) -> list[Image]:
        """Return the newest images of the recipes that an image requires, theirs included."""
        from bakery.recipe.plan import required

        return required(image, self._newest)

    @cached_property
    def _newest(self) -> dict[tuple[str, Arch], Image]:
        from bakery.recipe.plan import newest

        return newest(self.releases)


def _root() -> Path:
    """Return the current folder or the first above it with a dodo.py."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dodo.py").is_file():
            return folder
    return here
