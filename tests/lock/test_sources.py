"""Who has published digests: addresses that open what a lock cites, and the whole catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakery.lock import sources
from bakery.recipe.load import load_all
from bakery.recipe.lock import LockedAsset

RECIPES = load_all(Path(__file__).parents[2] / "recipes")
# Upstream publishes no other, or no public file has its digest.
ONE_ARCHITECTURE = {"falco", "rke2"}


@pytest.mark.parametrize(
    ("citation", "address"),
    [
        ("a/b:deep/c.yaml@0123456789ab", "https://github.com/a/b/blob/0123456789ab/deep/c.yaml"),
        ("a/b:c.yaml", "https://github.com/a/b/blob/HEAD/c.yaml"),
        ("a/b:c@2.yaml", "a/b:c@2.yaml"),
        ("https://example.com/sums", "https://example.com/sums"),
    ],
)
def test_a_citation_is_an_address_to_open(citation: str, address: str) -> None:
    asset = LockedAsset(
        url="https://example.com/a", sha256="1" * 64, trust="cited", citation=citation
    )
    assert sources.publisher(asset) == address


def test_indexes_are_told_apart() -> None:
    wheel = LockedAsset(url="pypi:a/a.whl", sha256="1" * 64, trust="registry")
    package = LockedAsset(url="npm:a/a.tgz", sha256="1" * 64, trust="registry")
    assert sources.publisher(wheel) == "PyPI's index"
    assert sources.publisher(package) == "npm's registry"


@pytest.mark.parametrize("name", RECIPES)
def test_every_locked_recipe_has_publishers_for_each_architecture(name: str) -> None:
    head, row = sources.table([RECIPES[name]], markdown=True).splitlines()[::2]
    assert head == "| recipe | version | x86-64 | arm64 | confirmed by |"
    _, version, *archs, publishers = row.strip("| ").split(" | ")
    if not RECIPES[name].lock.versions:
        assert [version, *archs, publishers] == ["-", "-", "-", "no lock yet"]
        return
    assert "nobody" not in publishers
    assert ("-" in archs) == (name in ONE_ARCHITECTURE)


def test_a_terminal_gets_the_same_in_columns() -> None:
    head, *rows = sources.table(RECIPES.values(), markdown=False).splitlines()
    assert head.split() == ["recipe", "version", "x86-64", "arm64", "confirmed", "by"]
    assert [row.split()[0] for row in rows] == list(RECIPES)
