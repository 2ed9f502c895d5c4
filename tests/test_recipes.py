"""The recipes of this repository, without their assets."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.licenses import canonicalize_license_expression

from bakery.recipe.expectations import Expectations
from bakery.recipe.folder import CHECK, FILE
from bakery.recipe.load import load_all
from bakery.recipe.plan import releases
from bakery.yaml import convert

if TYPE_CHECKING:
    from bakery.recipe.load import Source

RECIPES = Path(__file__).parents[1] / "recipes"
SOURCES = load_all(RECIPES)
FIRST_LINE = "# yaml-language-server: $schema=../../bakery/recipe/recipe.schema.json\n"
HOST_LINKS = {"usr/sbin", "usr/lib64", "usr/local"}

each_recipe = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


@each_recipe
def test_every_release_is_locked(source: Source) -> None:
    assert [release.problem for release in releases(source) if release.problem] == []


@each_recipe
def test_the_readme_of_a_recipe_without_a_lock_says_how_to_get_one(source: Source) -> None:
    text = (source.folder / "README.md").read_text()
    assert releases(source) or f"`bakery lock {source.name} VERSION`" in text


@each_recipe
def test_wheels_and_checked_downloads_have_known_sizes(source: Source) -> None:
    assets = [asset for version in source.lock.versions.values() for asset in version.assets]
    assert [asset.url for asset in assets if asset.size is None and asset.trust != "cited"] == []


@each_recipe
def test_editors_find_the_schema(source: Source) -> None:
    assert (source.folder / FILE).read_text().startswith(FIRST_LINE)


@each_recipe
def test_the_licence_is_an_spdx_expression(source: Source) -> None:
    assert canonicalize_license_expression(source.recipe.license) == source.recipe.license


@each_recipe
def test_the_readme_has_a_title_and_its_licence(source: Source) -> None:
    text = (source.folder / "README.md").read_text()
    assert text.startswith("# ")
    assert "\n## Licence\n" in text


@each_recipe
def test_a_booted_host_is_expected_to_do_something(source: Source) -> None:
    expected = convert.load(source.folder / CHECK, Expectations)
    assert expected.commands


@each_recipe
def test_files_stay_in_usr_and_off_the_links_of_hosts(source: Source) -> None:
    paths = [Path(file.path) for file in source.files]
    assert {path.parts[0] for path in paths} <= {"usr"}
    assert not HOST_LINKS & {parent.as_posix() for path in paths for parent in path.parents}


@each_recipe
def test_units_are_started_by_start_alone(source: Source) -> None:
    folders = {parent for file in source.files for parent in Path(file.path).parents}
    assert not [folder for folder in folders if folder.suffix in {".wants", ".requires"}]
    units = [place for path, place in source.origins.items() if "/systemd/system/" in path]
    assert [unit.name for unit in units if "[Install]" in unit.read_text()] == []


@each_recipe
def test_drop_ins_and_fragments_have_the_suffix_that_is_read(source: Source) -> None:
    folders = ("sysusers.d", "tmpfiles.d")
    fragments = [
        Path(file.path)
        for file in source.files
        if Path(file.path).parent.name in folders or Path(file.path).parent.suffix == ".d"
    ]
    assert [path for path in fragments if path.suffix != ".conf"] == []


@each_recipe
def test_what_tmpfiles_makes_at_boot_needs_no_account_of_the_image(source: Source) -> None:
    """At boot the lines are read before anything can have made the image's accounts."""
    lines = [
        line.split()
        for path, place in source.origins.items()
        if path.startswith("usr/lib/tmpfiles.d/")
        for line in place.read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert {owner for line in lines for owner in line[3:5]} <= {"root", "-"}


@each_recipe
def test_units_to_start_are_in_the_image(source: Source) -> None:
    units = {Path(file.path).name for file in source.files if "/systemd/system/" in file.path}
    installed = (getattr(asset, "install", None) for asset in source.recipe.assets)
    patterns = (
        str(pattern) for members in installed if isinstance(members, dict) for pattern in members
    )
    units |= {pattern.rpartition("/")[2] for pattern in patterns if "/systemd/system/" in pattern}
    images = [image for release in releases(source) for image in release.images]
    started = {unit.name for image in images for unit in image.contents.start}
    assert started <= units


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
