"""Work divided among runners, against what nobody can do better than."""

from __future__ import annotations

import random
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.ci.shards import Job, Load, bound, divide, families, makespan, shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RUNNERS = 20
_DOWNLOAD, _BUILD, _BOOT = 0.1, 0.4, 0.5  # of an image's time
_VERSIONS = 5


def alone(*seconds: float) -> list[Job]:
    return [Job(name=f"{n}", pieces={f"build:{n}": each}) for n, each in enumerate(seconds)]


def names(loads: Sequence[Load]) -> list[str]:
    return sorted(job.name for load in loads for job in load.jobs)


def catalogue(count: int, seed: int = 1) -> list[Job]:
    """Return as many images of one architecture: recipes of five versions.

    Their times are long-tailed. A quarter of the recipes share packages with others, one in twenty
    requires another.
    """
    rng = random.Random(seed)
    recipes = count // _VERSIONS
    typical = [rng.lognormvariate(3, 1) for _ in range(recipes)]
    jobs = []
    for recipe in range(recipes):
        packages = rng.sample(range(40), rng.randrange(1, 6)) if rng.random() < 0.25 else []
        required = rng.randrange(recipes) if rng.random() < 0.05 else None
        for version in range(_VERSIONS):
            name = f"{recipe}-{version}"
            seconds = typical[recipe] * rng.lognormvariate(0, 0.2)
            pieces = {
                f"fetch:{name}": seconds * _DOWNLOAD,
                f"check:{name}": seconds * _BUILD,
                f"boot:{name}": seconds * _BOOT,
                **{f"fetch:package-{each}": 0.5 + each / 20 for each in packages},
            }
            if required is not None:
                newest = f"{required}-{_VERSIONS - 1}"
                pieces[f"check:{newest}"] = typical[required] * _BUILD
                pieces[f"fetch:{newest}"] = typical[required] * _DOWNLOAD
            jobs.append(Job(name=name, pieces=pieces))
    # what is called alike is the same work
    same = {piece: seconds for job in jobs for piece, seconds in job.pieces.items()}
    return [Job(name=job.name, pieces={piece: same[piece] for piece in job.pieces}) for job in jobs]


def in_truth(loads: Sequence[Load], true: Mapping[str, float]) -> float:
    """Return when the last runner is done, if pieces take other times than were expected."""
    return max(sum(true[piece] for piece in load.pieces) for load in loads)


@pytest.mark.parametrize("count", [1_000, 10_000])
def test_a_catalogue_on_twenty_runners_ends_near_the_bound(count: int) -> None:
    jobs = catalogue(count)
    loads = divide(jobs, RUNNERS)
    assert len(loads) == RUNNERS
    assert names(loads) == sorted(job.name for job in jobs)
    ratio = makespan(loads) / bound(jobs, RUNNERS)
    twice = sum(load.seconds for load in loads) / Load.of(jobs).seconds
    print(f"{count} images: {ratio:.4f} of the bound; {twice:.4f} of the work")  # noqa: T201  measured
    assert ratio <= 1.1
    assert twice <= 1.05


@pytest.mark.parametrize("slower", [0.6, 1.0, 1.1, 2.0])
def test_both_architectures_end_near_the_bound(slower: float) -> None:
    """Half of 1,000 images are arm64's, whose runners take another time for them."""
    x86 = catalogue(500)
    arm = [Job(name=j.name, pieces={n: s * slower for n, s in j.pieces.items()}) for j in x86]
    jobs = {"x86-64": x86, "arm64": arm}
    work = {arch: Load.of(each).seconds for arch, each in jobs.items()}
    counts = shares(work, RUNNERS)
    assert sum(counts.values()) == RUNNERS
    ends = max(makespan(divide(each, counts[arch])) for arch, each in jobs.items())
    assert ends / (sum(work.values()) / RUNNERS) <= 1.1


@pytest.mark.parametrize("count", [1_000, 10_000])
@pytest.mark.parametrize("noise", [0.2, 0.5])
def test_wrong_expectations_cost_little(count: int, noise: float) -> None:
    jobs = catalogue(count)
    loads = divide(jobs, RUNNERS)
    rng = random.Random(count)
    true = {
        piece: seconds * rng.lognormvariate(-(noise**2) / 2, noise)  # right on average
        for piece, seconds in sorted(Load.of(jobs).pieces.items())
    }
    actual = [Job(name=j.name, pieces={piece: true[piece] for piece in j.pieces}) for j in jobs]
    ratio = in_truth(loads, true) / bound(actual, RUNNERS)
    print(f"{count} images, times wrong by {noise:.0%}: {ratio:.4f} of the bound")  # noqa: T201
    assert ratio <= 1.25


def test_a_long_image_is_alone_and_sets_the_end() -> None:
    loads = divide(alone(100, *[1.0] * 50), 4)
    assert makespan(loads) == 100
    assert ["0"] in [names([load]) for load in loads]


def test_what_is_shared_is_done_by_one_runner_where_that_costs_no_time() -> None:
    shared = [
        Job(name=f"{family}{n}", pieces={f"fetch:{family}": 5.0, f"build:{family}{n}": 5.0})
        for family in "abcd"
        for n in range(3)
    ]
    loads = divide(shared, 4)
    assert sorted(names([load]) for load in loads) == [
        [f"{f}{n}" for n in range(3)] for f in "abcd"
    ]
    assert {load.seconds for load in loads} == {20.0}


def test_a_family_that_is_too_large_is_cut() -> None:
    pieces = {"build:required": 1.0}
    family = [Job(name=f"{n}", pieces={**pieces, f"build:{n}": 10.0}) for n in range(40)]
    assert len(families(family)) == 1
    loads = divide(family, 8)
    assert [len(load.jobs) for load in loads] == [5] * 8
    assert makespan(loads) == 51.0


def test_families_are_joined_by_others() -> None:
    pieces = {"a": ("1", "2"), "b": ("2", "3"), "c": ("3", "4"), "d": ("5",)}
    jobs = [Job(name=name, pieces=dict.fromkeys(each, 1.0)) for name, each in pieces.items()]
    assert [[job.name for job in family] for family in families(jobs)] == [["a", "b", "c"], ["d"]]


def test_nothing_is_nobody_s() -> None:
    assert divide([], 20) == []
    assert len(divide(alone(1.0), 20)) == 1


_PIECES = st.dictionaries(st.sampled_from("abcdefgh"), st.just(0.0), max_size=3)
_SECONDS = st.floats(0.0, 1e4)


@given(
    st.lists(st.tuples(_SECONDS, _PIECES), max_size=30),
    st.lists(_SECONDS, min_size=8, max_size=8),
    st.integers(1, 8),
)
def test_no_job_is_lost_or_done_twice(
    drawn: list[tuple[float, dict[str, float]]], shared: list[float], count: int
) -> None:
    worth = dict(zip("abcdefgh", shared, strict=True))
    jobs = [
        Job(name=f"{n}", pieces={f"own {n}": own, **{each: worth[each] for each in pieces}})
        for n, (own, pieces) in enumerate(drawn)
    ]
    loads = divide(jobs, count)
    assert len(loads) <= count
    assert names(loads) == sorted(job.name for job in jobs)
    for load in loads:
        assert load.pieces == Load.of(load.jobs).pieces
        assert load.seconds == pytest.approx(sum(load.pieces.values()))
    longest = max((job.seconds for job in jobs), default=0.0)
    assert makespan(loads) <= sum(job.seconds for job in jobs) / count + longest + 1e-6


@given(st.lists(st.integers(1, 50), min_size=1, max_size=7), st.integers(1, 3))
def test_the_last_ends_a_third_later_than_with_the_best_division_at_most(
    seconds: list[int], count: int
) -> None:
    best = min(
        max(sum(s for s, to in zip(seconds, chosen, strict=True) if to == r) for r in range(count))
        for chosen in product(range(count), repeat=len(seconds))
    )
    ends = makespan(divide(alone(*map(float, seconds)), count))
    assert ends <= best * (4 / 3 - 1 / (3 * count)) + 1e-6
