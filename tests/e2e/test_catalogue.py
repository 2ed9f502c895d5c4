"""Every recipe of this repository, built from a mirror with files in its upstream's layout."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.elf import program
from harness.imitation import Imitator
from harness.project import REPOSITORY
from harness.unlocked import as_if_locked

from bakery.recipe.load import load_all
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion, encode
from bakery.recipe.plan import releases
from bakery.store.folder import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.mirror import Mirror
    from harness.project import Project

    from bakery.recipe.plan import Asset, Image, Release

INDEXES = ("pypi:", "npm:")
_BUILD = re.compile(r"^build:.*\n(?:[ -].*\n)*", re.MULTILINE)
_LEFT_OUT = re.compile(
    r"^trust:.*\n|^requires: \[haproxy\]\n",  # which is made of Debian's packages
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def catalogue() -> list[tuple[Release, ...]]:
    """Return, by recipe, the oldest and the newest release of no Debian packages."""
    found = []
    sources = load_all(REPOSITORY / "recipes")
    for source in sources.values():
        every = [
            release
            for release in releases(as_if_locked(source, sources))
            if all(asset.url.startswith(("https://", *INDEXES)) for _, asset in assets(release))
        ]
        assert not [release.problem for release in every if release.problem]
        if every:
            found.append(
                tuple({release.version: release for release in (every[0], every[-1])}.values())
            )
    return found


def assets(release: Release) -> Iterator[tuple[Image, Asset]]:
    """Yield a release's assets, each with an image that is made from it."""
    for image in release.images:
        for asset in image.contents.assets:
            yield image, asset


def keep(data: bytes, digest: str, store: Store) -> None:
    """Put an index's file into the store: pip and npm know their own, and no mirror of ours."""
    store.partials.mkdir(parents=True, exist_ok=True)
    temporary = store.partials / digest
    temporary.write_bytes(data)
    store.adopt(temporary, digest)


def publish(
    some: tuple[Release, ...], project: Project, mirror: Mirror, imitator: Imitator
) -> None:
    """Put releases' assets on the mirror, and their recipe into the project, locked to them."""
    source = some[0].source
    versions = {}
    for release in some:
        pins = {}
        for image, asset in assets(release):
            data = imitator.make(image, asset)
            digest = hashlib.sha256(data).hexdigest()
            if asset.url.startswith(INDEXES):
                keep(data, digest, Store(project.store))
            else:
                mirror.place(asset.url).write_bytes(data)
            pins[asset.url] = LockedAsset(url=asset.url, sha256=digest, trust="first-use")
        parts = release.locked.parts
        versions[release.version.tag] = LockedVersion(parts=parts, assets=tuple(pins.values()))
    recipe = (source.folder / "recipe.yaml").read_text()
    build = f"build: {json.dumps(list(versions))}\n"
    project.add(source.name, **{"recipe.yaml": _LEFT_OUT.sub("", _BUILD.sub(build, recipe))})
    (project.recipes / source.name / "lock.json").write_bytes(encode(Lock(versions=versions)))


def test_the_layout_of_every_archive_is_known(catalogue: list[tuple[Release, ...]]) -> None:
    imitator = Imitator()
    unknown = {
        asset.filename
        for some in catalogue
        for release in some
        for _, asset in assets(release)
        if not imitator.knows(asset)
    }
    assert unknown == set(), "say in tests/e2e/layouts.yaml what is in them"


def test_every_recipe_builds_and_breaks_no_rule(
    catalogue: list[tuple[Release, ...]], project: Project, mirror: Mirror
) -> None:
    imitator = Imitator()
    for some in catalogue:
        publish(some, project, mirror, imitator)
    project.doit("-n", "2", "check")
    built = {path.name for path in project.dist.glob("*/*.raw")}
    assert built == {
        image.filename for some in catalogue for release in some for image in release.images
    }


@needs.X86_64
def test_the_programs_in_the_archives_are_real(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(program("x86-64"))
    path.chmod(0o755)
    subprocess.run([path], check=True)
