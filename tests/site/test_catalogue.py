"""The site of this repository's own recipes: whole, however many there are."""

from __future__ import annotations

import gzip
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from harness.catalogue import catalogue, release
from harness.page import broken, pages
from harness.project import REPOSITORY

from bakery import settings as settings_module
from bakery.recipe.load import load_all
from bakery.site import make
from bakery.site.render import Site

if TYPE_CHECKING:
    from pathlib import Path

HEAVIEST = 120 << 10  # bytes of the front page and what it loads, compressed
SOURCE = "https://github.com/owner/repo"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a release of each recipe."""
    root = tmp_path_factory.mktemp("catalogue")
    sources = load_all(REPOSITORY / "recipes")
    published = root / "published"
    published.mkdir()
    for name, source in sources.items():
        recipe = source.recipe
        release(
            published,
            name,
            "1.0",
            {f"/usr/bin/{name}": (5000, name)},
            summary=recipe.summary,
            homepage=recipe.homepage,
            requires=recipe.requires,
            conflicts=recipe.conflicts,
            replaces=recipe.replaces,
        )
    catalogue(published, {name: ["1.0"] for name in sources}, None)
    environment = {"BAKERY_PUBLISHER": f"directory:{published}", "HOME": str(root)}
    settings = settings_module.load(REPOSITORY, environment)
    make.make(root / "site", settings, sources, site=Site(source=SOURCE))
    return root / "site"


def test_every_link_leads_somewhere(site: Path) -> None:
    found = pages(site)
    assert len(found) > 100
    assert not broken(found)


def test_readmes_link_pages(site: Path) -> None:
    text = (site / "docker-debian/index.html").read_text()
    assert 'href="../docker/index.html#readme"' in text
    assert f'href="{SOURCE}/blob/main/.github/SUPPORT.md' in text


def test_every_recipe_has_a_page_with_its_readme(site: Path) -> None:
    for folder in (REPOSITORY / "recipes").iterdir():
        if (folder / "README.md").is_file():
            assert 'id="readme"' in (site / folder.name / "index.html").read_text(), folder.name


def test_the_front_page_is_light(site: Path) -> None:
    loaded = [site / name for name in ("index.html", "style.css", "site.js", "icon.svg")]
    sent = sum(len(gzip.compress(path.read_bytes())) for path in loaded)
    assert sent <= HEAVIEST
    pages = chain(site.glob("*.html"), site.glob("*/index.html"))
    assert max(len(gzip.compress(path.read_bytes())) for path in pages) <= HEAVIEST
