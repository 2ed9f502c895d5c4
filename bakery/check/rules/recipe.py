"""Rules about the recipe that an image is built of: what its folder holds and claims."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from bakery.check import licenses
from bakery.check.rule import BUILT_ELSEWHERE, Rule, Skip, Violation, rule
from bakery.recipe.folder import CHECK, README
from bakery.text import show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.subject import Subject
    from bakery.recipe.load import Source


def inputs(recipe: Source) -> tuple[str, ...]:
    """Return all of a recipe that decides on these rules, for the key of a check."""
    return (recipe.recipe.license, *recipe.recipe.parts, *_missing(recipe))


def _missing(recipe: Source) -> list[str]:
    files = {name: recipe.folder / name for name in (README, CHECK)}
    return [name for name, file in files.items() if not (file.is_file() and file.stat().st_size)]


def _without(file: str, subject: Subject) -> Iterator[Violation | Skip]:
    recipe = subject.context.recipe
    if recipe is None:
        yield BUILT_ELSEWHERE
    elif file in _missing(recipe):
        yield Violation(".", f"has a recipe without {file}: {show(recipe.folder)}")


readme = Rule(
    id="recipe-readme",
    severity="error",
    reason="whoever installs the image does not learn what starts, and how it is configured",
    fix="write README.md: what it brings, what starts, its configuration, its data, its licence",
    look=partial(_without, README),
)

expectations = Rule(
    id="recipe-check",
    severity="error",
    reason="a boot without expectations shows that the image merges, not that its programs work",
    fix="write check.yaml: commands that let the programs do their work, units that must be active",
    look=partial(_without, CHECK),
)


@rule(
    "license-file",
    "error",
    reason="who relies on `license:` for what may be done with the image is misled",
    fix="correct `license:`; of several that hold for parts of the image it has all, with AND",
)
def license_files(subject: Subject) -> Iterator[Violation | Skip]:
    """Find licences in the image that the recipe's `license:` does not name."""
    recipe = subject.context.recipe
    if recipe is None:
        yield BUILT_ELSEWHERE
        return
    expression = recipe.recipe.license
    named = {licenses.family(name) for name in re.findall(r"[\w.+-]+", expression)}
    for node in subject.tree:
        if node.text is not None and licenses.is_license_file(node.path):
            identifier = licenses.identify(node.text)
            if identifier and not any(name.startswith(identifier) for name in named):
                yield Violation(
                    node.path, f"is the licence {identifier}, and the recipe says {expression}"
                )
