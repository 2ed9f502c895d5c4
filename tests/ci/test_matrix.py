from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from bakery import settings
from bakery.build.context import Context
from bakery.build.state import State
from bakery.build.step import Made, Step
from bakery.build.steps.squashed import Squashed
from bakery.ci import matrix
from bakery.ci.restore import restore
from bakery.errors import BakeryError
from bakery.lock.history import HistoryError
from bakery.progress import Silent
from bakery.publish.release import LocalFile
from bakery.recipe import lock as lockfile
from bakery.recipe.load import Recipes, load_all
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion
from bakery.recipe.plan import releases

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


NEWEST_FIRST = [
    f"{name}-{version}-{arch}"
    for version in ("2.0", "1.0")
    for name in ("base", "other", "top")
    for arch in ("x86-64", "arm64")
]


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

    def touched(self, since: str = "HEAD") -> set[str]:
        recipes = Recipes(self.root / "recipes")
        releases_ = [each for source in recipes.load()[0].values() for each in releases(source)]
        found = matrix.touched(releases_, recipes, settings.load(self.root, {}), since)
        return {image.release for image in found}


def chosen(repository: Repository, number: int) -> list[str]:
    return [image.id for image in matrix.at_most(number, repository.images)]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_at_most_takes_whole_releases_the_newest_first(repository: Repository) -> None:
    assert chosen(repository, 100) == NEWEST_FIRST
    assert chosen(repository, 7) == NEWEST_FIRST[:6]
    assert chosen(repository, 0) == []


def test_a_changed_recipe_touches_those_that_build_on_it(repository: Repository) -> None:
    assert repository.touched() == set()
    recipe = repository.root / "recipes/base/recipe.yaml"
    recipe.write_text(recipe.read_text() + "conflicts: [x]\n")
    assert repository.touched() == {"base-1.0", "base-2.0", "top-1.0", "top-2.0"}


def test_a_changed_lock_touches_the_versions_that_changed(repository: Repository) -> None:
    repository.lock("base", digit="2")
    assert repository.touched() == {"base-2.0"}


def test_changed_code_touches_the_newest_versions_and_texts_nothing(repository: Repository) -> None:
    (repository.root / "recipes/base/README.md").write_text("text")
    (repository.root / "README.md").write_text("text")
    repository.git("add", "--all")
    assert repository.touched() == set()
    (repository.root / "bakery/names.py").write_text("")
    repository.git("add", "--all")
    assert repository.touched() == {"base-2.0", "top-2.0", "other-2.0"}


def test_a_commit_that_is_not_there_is_explained(repository: Repository) -> None:
    with pytest.raises(HistoryError, match="git can't tell what changed"):
        matrix.touched(
            [], Recipes(repository.root / "recipes"), settings.load(repository.root, {}), "nonsense"
        )


def test_every_image_is_in_one_job_of_its_architecture(
    repository: Repository, tmp_path: Path
) -> None:
    made = matrix.matrix(repository.images, State(tmp_path), 5)
    tasks = [task for shard in made.include for task in shard.tasks.split()]
    assert sorted(tasks) == sorted(f"boot:{image.id}" for image in repository.images)
    assert len(made.include) == 5
    for shard in made.include:
        arch = "arm64" if shard.runner.endswith("-arm") else "x86-64"
        assert all(task.endswith(arch) for task in shard.tasks.split())
    assert max(shard.minutes for shard in made.include) <= 10  # 6 large images in 4 jobs, or 3


def test_what_took_long_before_is_expected_to_again(repository: Repository, tmp_path: Path) -> None:
    state = State(tmp_path)
    image = repository.images[0]
    record = {"key": "any", "outputs": [], "seconds": 1234.5, "facts": {}}
    for step in ("squash", "boot"):
        path = tmp_path / ".bakery" / step / f"{image.id}.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record))
    assert matrix.expected(image, state) == 2469.0
    assert matrix.expected(repository.images[-1], state) < 100


@pytest.mark.parametrize("count", [1, 257])
def test_too_few_or_too_many_jobs_are_refused(
    repository: Repository, tmp_path: Path, count: int
) -> None:
    with pytest.raises(matrix.ShardError) as caught:
        matrix.matrix(repository.images, State(tmp_path), count)
    assert "give --shards 2 to 256" in str(caught.value)


def test_no_work_is_no_job(tmp_path: Path) -> None:
    assert matrix.matrix([], State(tmp_path), 20).include == ()


def test_copied_images_count_as_made_here_if_their_bytes_are(repository: Repository) -> None:
    context = Context.of(settings.load(repository.root, {}))
    state = State(context.settings.dist)
    release = repository.releases[0]
    steps = []
    for image in release.images:

        def run(_: object, image: Image = image) -> Made[Squashed]:
            file = context.file(image)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(image.id)
            sha256 = LocalFile.of(file).sha256
            return Made(
                facts=Squashed(sha256=sha256, size=1, contents=1, tools=""), outputs=(file,)
            )

        steps.append(Step(kind="squash", name=image.id, run=run, facts=Squashed))
        state.do(steps[-1], Silent())
    first, second = release.images
    os.utime(context.file(first), (1, 1))
    assert not State(state.dist).is_done(steps[0])
    assert [each.name for each in restore(context, state, repository.releases)] == [release.name]
    assert State(state.dist).is_done(steps[0])
    context.file(second).write_text("other")
    assert restore(context, state, repository.releases) == []


def test_a_broken_recipe_counts_where_it_has_changed(repository: Repository) -> None:
    (repository.root / "recipes/other/recipe.yaml").write_text("sumary: x\n")
    with pytest.raises(BakeryError, match="did you mean summary"):
        repository.touched()
    repository.commit()
    assert repository.touched() == set()
