"""The recipes of this repository, without their assets."""

from __future__ import annotations

import itertools
from pathlib import Path

from bakery.recipe.folder import FILE
from bakery.recipe.load import Recipes
from bakery.scaffold import lint

RECIPES = Path(__file__).parents[1] / "recipes"
SOURCES = Recipes(RECIPES)
FIRST_LINE = "# yaml-language-server: $schema=../../bakery/recipe/recipe.schema.json\n"


def test_no_recipe_has_an_error() -> None:
    problems = lint.lint(SOURCES, SOURCES)
    assert lint.gcc(problem for problem in problems if problem.severity == "error") == ""


def test_the_readme_shows_all_of_caddys_recipe() -> None:
    recipe = (RECIPES / "caddy" / FILE).read_text().removeprefix(FIRST_LINE)
    assert f"```yaml\n{recipe}```\n" in (RECIPES.parent / "README.md").read_text()


def test_recipes_ship_the_same_file_only_with_the_same_bytes() -> None:
    clashes = [
        (one.name, other.name, path)
        for one, other in itertools.combinations(SOURCES.values(), 2)
        for path in one.origins.keys() & other.origins.keys()
        if one.origins[path].read_bytes() != other.origins[path].read_bytes()
    ]
    assert clashes == []
