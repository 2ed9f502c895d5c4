"""A repository with three recipes of two versions, one of which requires another."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from bakery import settings
from bakery.ci import matrix
from bakery.recipe import lock as lockfile
from bakery.recipe.load import Recipes, load_all
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion
from bakery.recipe.plan import newest, releases, required

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.recipe.plan import Image, Release

RECIPE = """summary: {name}
homepage: https://example.com
license: MIT
build: ['1.0', '2.0']
requires: [{requires}]
arch: {{x86-64: x, arm64: a}}
assets: [{{url: 'https://example.com/{name}-{{version}}-{{arch}}', install: usr/bin/{name}}}]
"""


class Repository:
    """Recipes under version control."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, requires in (("base", ""), ("top", "base"), ("other", "")):
            folder = root / "recipes" / name
            folder.mkdir(parents=True)
            (folder / "recipe.yaml").write_text(RECIPE.format(name=name, requires=requires))
            self.lock(name)
        (root / "bakery").mkdir()
        self.git("init", "--quiet")
        self.commit()

    def lock(self, name: str, digit: str = "1") -> None:
        versions = {}
        for version in ("1.0", "2.0"):
            last = digit if version == "2.0" else "1"
            versions[version] = LockedVersion(
                assets=tuple(
                    LockedAsset(
                        url=f"https://example.com/{name}-{version}-{arch}",
                        sha256=last * 64,
                        size=size,
                        trust="first-use",
                    )
                    for arch, size in (("x", 4_000_000_000), ("a", 1_000_000))
                )
            )
        path = self.root / "recipes" / name / "lock.json"
        path.write_bytes(lockfile.encode(Lock(versions=versions)))

    def git(self, *words: str) -> None:
        identity = ["-c", "user.name=me", "-c", "user.email=me@example.com"]
        subprocess.run(["git", *identity, *words], cwd=self.root, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")

    @property
    def releases(self) -> list[Release]:
        sources = load_all(self.root / "recipes")
        return [release for source in sources.values() for release in releases(source)]

    @property
    def images(self) -> list[Image]:
        return [image for release in self.releases for image in release.images]

    def required(self, image: Image) -> list[Image]:
        return required(image, newest(self.releases))

    def touched(self, since: str = "HEAD") -> set[str]:
        recipes = Recipes(self.root / "recipes")
        releases_ = [each for source in recipes.load()[0].values() for each in releases(source)]
        found = matrix.touched(releases_, recipes, settings.load(self.root, {}), since)
        return {image.release for image in found}
