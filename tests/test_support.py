"""SUPPORT.md and the recipes' READMEs: each tier is promised, each recipe says which is its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from bakery.recipe.load import load_all
from bakery.recipe.types import Tier

ROOT = Path(__file__).parents[1]
RECIPES = load_all(ROOT / "recipes")


def test_every_tier_has_a_column_of_promises() -> None:
    text = (ROOT / ".github" / "SUPPORT.md").read_text()
    assert f"| | {' | '.join(get_args(Tier))} |" in text


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipes_readme_names_its_tier(name: str) -> None:
    text = (ROOT / "recipes" / name / "README.md").read_text()
    tier = RECIPES[name].recipe.tier
    assert re.findall(r"^- \*\*Tier\*\* \[?(\w+)", text, re.MULTILINE) == [tier]


def test_the_readme_names_the_recipes_without_a_lock() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    unlocked = sorted(name for name, source in RECIPES.items() if not source.lock.versions)
    assert f"{', '.join(unlocked[:-1])} and {unlocked[-1]} have no lock" in text
