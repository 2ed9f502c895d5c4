from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bakery.recipe.model import Latest, Recipe
from bakery.recipe.policy import Published, asked_for, choice, described, offered
from bakery.recipe.upstreams import DebianUpstream
from bakery.recipe.version import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

TAGS = ["v1.30.0", "v1.30.9", "v1.30.10", "v1.31.4", "v1.32.0", "v1.32.2", "v2.0.1"]


def recipe(*build: Any) -> Recipe:
    return Recipe(
        summary="x", homepage="https://example.org", license="MIT", build=build, arch={"arm64": "x"}
    )


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (["v1.30.0"], ["v1.30.0"]),
        (["v0.9"], ["v0.9"]),
        (["latest"], ["v2.0.1"]),
        ([Latest(latest="minor")], ["v2.0.1"]),
        ([Latest(latest="minor", keep=3)], ["v1.31.4", "v1.32.2", "v2.0.1"]),
        ([Latest(latest="minor", keep=9)], ["v1.30.10", "v1.31.4", "v1.32.2", "v2.0.1"]),
        ([Latest(latest="major", keep=2)], ["v1.32.2", "v2.0.1"]),
        ([">= v1.30.9, < v1.32"], ["v1.30.9", "v1.30.10", "v1.31.4"]),
        (["> v9"], []),
        (["v1.30.0", "latest", "== v2.0.1"], ["v1.30.0", "v2.0.1"]),
    ],
)
def test_what_build_asks_for(build: Sequence[Any], expected: list[str]) -> None:
    assert asked_for(recipe(*build), reversed(TAGS)) == expected


def test_packages_locked_with_newer_dependencies_count_as_the_newest() -> None:
    locked = ["3.0.11-1", "3.0.11-1+deb13u5", "3.0.11-1+deb13u5.1", "3.0.11-1+deb13u5.10"]
    published = [Published("3.0.11-1+deb13u5")]
    followed = recipe("latest")
    packages = replace(followed, upstream=DebianUpstream(debian="haproxy", suite="trixie"))
    assert asked_for(packages, choice(packages, published, locked)) == locked[-1:]
    assert asked_for(followed, choice(followed, published, locked)) == ["3.0.11-1+deb13u5"]
    newer = [Published("3.0.11-1+deb13u6")]
    assert asked_for(packages, choice(packages, newer, locked)) == ["3.0.11-1+deb13u6"]


def test_nothing_on_offer_leaves_the_fixed_ones() -> None:
    assert asked_for(recipe("1.0", "latest", Latest(latest="minor"), "> 1"), []) == ["1.0"]


def test_a_fixed_version_may_be_one_that_is_not_offered() -> None:
    assert asked_for(recipe("2.0-rc1", "latest"), ["1.0"]) == ["1.0", "2.0-rc1"]


@pytest.mark.parametrize(
    ("item", "plain", "previews"),
    [
        (Published("v1.0"), True, True),
        (Published("v1.0-rc1"), False, True),
        (Published("v1.0", prerelease=True), False, True),
        (Published("v1.0-rc1", prerelease=False), True, True),
        (Published("3.5a"), True, True),
        (Published("v1.0", yanked=True), False, False),
        (Published("1.21.4+ent"), False, False),
        (Published("1.21.4+ent.hsm.fips1402"), False, False),
        (Published("v1.31.4+rke2r1"), True, True),
        (Published("api/v1.9.0"), False, False),
        (Published("latest"), False, False),
    ],
)
def test_what_may_be_chosen_unnamed(item: Published, *, plain: bool, previews: bool) -> None:
    assert bool(offered([item])) is plain
    assert bool(offered([item], prerelease=True)) is previews


def test_the_first_spelling_of_a_version_counts() -> None:
    assert offered([Published("v1.0"), Published("1.0.0"), Published("0.9")]) == [
        Published("0.9"),
        Published("v1.0"),
    ]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (["1.0"], "fixed"),
        (["1.0", "latest"], "latest"),
        ([Latest(latest="minor", keep=4)], "latest of 4 minor"),
        ([Latest(latest="major"), ">= 1"], "latest major; >= 1"),
    ],
)
def test_what_build_asks_for_is_said_in_words(build: Sequence[Any], words: str) -> None:
    assert described(recipe(*build)) == words


VERSIONS = st.lists(st.from_regex(r"v?[0-3]\.[0-3](\.[0-3])?", fullmatch=True), max_size=12)


@given(VERSIONS, st.integers(1, 4), st.sampled_from(["major", "minor"]))
def test_latest_keeps_the_newest_of_the_newest_series(
    tags: list[str], keep: int, unit: Any
) -> None:
    chosen = asked_for(recipe(Latest(latest=unit, keep=keep)), tags)
    depth = 1 if unit == "major" else 2
    series = {Version.parse(tag).series(depth) for tag in tags}
    assert [Version.parse(tag).series(depth) for tag in chosen] == sorted(series)[-keep:]
    for tag in chosen:
        rivals = [
            t for t in tags if Version.parse(t).series(depth) == Version.parse(tag).series(depth)
        ]
        assert Version.parse(tag) == max(map(Version.parse, rivals))
