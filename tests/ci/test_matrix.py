from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from harness.repository import Repository

from bakery import settings
from bakery.ci import matrix
from bakery.ci.times import Expected
from bakery.errors import BakeryError
from bakery.lock.history import HistoryError
from bakery.recipe.load import Recipes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bakery.recipe.plan import Image

UNKNOWN = Expected({}, [])
NEWEST_FIRST = [
    f"{name}-{version}-{arch}"
    for version in ("2.0", "1.0")
    for name in ("base", "other", "top")
    for arch in ("x86-64", "arm64")
]


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


def test_a_project_that_git_does_not_know_is_said(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    with pytest.raises(HistoryError, match="not a git repository"):
        matrix.touched([], Recipes(tmp_path / "recipes"), settings.load(tmp_path, {}), "main")


def test_every_image_is_in_one_job_of_its_architecture(
    repository: Repository,
) -> None:
    made = matrix.matrix(repository.images, UNKNOWN, 5, repository.required)
    tasks = [task for shard in made.include for task in shard.boot.split()]
    assert sorted(tasks) == sorted(f"boot:{image.id}" for image in repository.images)
    assert len(made.include) == 5
    for shard in made.include:
        arch = "arm64" if shard.runner.endswith("-arm") else "x86-64"
        assert all(task.endswith(arch) for task in (*shard.boot.split(), *shard.build.split()))
    assert max(shard.minutes for shard in made.include) <= 15  # 6 large images in 4 jobs, or 3


def test_what_an_image_requires_is_built_beside_it(repository: Repository) -> None:
    top = [image for image in repository.images if image.id == "top-1.0-arm64"]
    (shard,) = matrix.matrix(top, UNKNOWN, 2, repository.required).include
    assert shard.boot == "boot:top-1.0-arm64"
    assert shard.build == "check:base-2.0-arm64 check:top-1.0-arm64"


def test_a_matrix_is_read_again_and_nonsense_is_refused(
    repository: Repository,
) -> None:
    made = matrix.matrix(repository.images, UNKNOWN, 5, repository.required)
    assert matrix.decode(msgspec.json.encode(made).decode()) == made
    with pytest.raises(matrix.ShardError, match="the matrix is none"):
        matrix.decode('{"include": [1]}')


@pytest.mark.parametrize("count", [1, 257])
def test_too_few_or_too_many_jobs_are_refused(repository: Repository, count: int) -> None:
    with pytest.raises(matrix.ShardError) as caught:
        matrix.matrix(repository.images, UNKNOWN, count, repository.required)
    assert "give --shards 2 to 256" in str(caught.value)


def test_no_work_is_no_job() -> None:
    assert matrix.matrix([], UNKNOWN, 20, lambda _: []).include == ()


def test_a_broken_recipe_counts_where_it_has_changed(repository: Repository) -> None:
    (repository.root / "recipes/other/recipe.yaml").write_text("sumary: x\n")
    with pytest.raises(BakeryError, match="did you mean summary"):
        repository.touched()
    repository.commit()
    assert repository.touched() == set()


def divided(repository: Repository) -> Callable[[Sequence[Image]], matrix.Matrix]:
    return lambda images: matrix.matrix(images, UNKNOWN, 5, repository.required)


def left_over(
    repository: Repository, *, minutes: int | None = None, disk: float | None = None
) -> tuple[list[str], list[str]]:
    """Return what fits within limits, and what is left over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrix, "MINUTES", matrix.MINUTES if minutes is None else minutes)
        patch.setattr(matrix, "DISK", matrix.DISK if disk is None else disk)
        made, left = matrix.fitting(repository.images, divided(repository))
    booted = sorted(name for _, names in made.images().values() for name in names)
    assert sorted([*booted, *(image.id for image in left)]) == sorted(NEWEST_FIRST)
    return booted, [image.id for image in left]


def test_what_fits_is_done_in_one_run(repository: Repository) -> None:
    assert left_over(repository, disk=1e15) == (sorted(NEWEST_FIRST), [])


def test_what_runners_have_no_room_for_is_left_the_oldest_first(repository: Repository) -> None:
    two_built = 2 * 4_000_000_000 * 6  # one, and what it requires; or four that are signed
    booted, _ = left_over(repository, disk=two_built * 1.01)
    assert booted == sorted(NEWEST_FIRST[:8])


def test_what_runners_have_no_time_for_is_left(repository: Repository) -> None:
    booted, left = left_over(repository, minutes=8, disk=1e15)
    assert booted
    assert left
    older = {name.replace("-2.0-", "-1.0-") for name in left}
    assert older <= set(left)


def test_a_release_that_never_fits_holds_up_no_other(repository: Repository) -> None:
    """What requires base is too much by itself; then the others are done, and it comes last."""
    booted, _ = left_over(repository, disk=4_001_000_000 * 7)
    assert not [name for name in booted if name.startswith("top")]
    assert booted
    booted, left = left_over(repository, disk=1)
    assert booted == ["top-2.0-arm64", "top-2.0-x86-64"]
    assert len(left) == 10
