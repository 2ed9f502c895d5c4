from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.recipe.spelling import SpellingError
from bakery.recipe.version import Version

TAGS = st.from_regex(Version.GRAMMAR, fullmatch=True).filter(lambda tag: len(tag) < 40)

IN_ORDER = [
    "0.9",
    "v1.0-alpha",
    "1.0.0-beta.2",
    "1.0-beta.11",
    "1.0rc1",
    "v1.0",
    "1.0+k3s1",
    "1.0+k3s2",
    "1.0+k3s10",
    "1.0.post1",
    "1.0.1",
    "v1.2",
    "1.10",
    "20.10.13",
    "2024.05.01",
]


def test_versions_stand_in_the_order_they_mean() -> None:
    assert sorted(set(IN_ORDER), key=Version.parse) == IN_ORDER


@pytest.mark.parametrize(
    ("one", "other"), [("v1.2", "1.2.0"), ("1.0-rc1", "1.0-rc.1"), ("1", "V1.0.0")]
)
def test_the_same_version_in_another_spelling(one: str, other: str) -> None:
    assert Version.parse(one) == Version.parse(other)
    assert hash(Version.parse(one)) == hash(Version.parse(other))


@pytest.mark.parametrize(
    ("tag", "bare", "major", "minor"),
    [
        ("v1.32.2+k3s1", "1.32.2+k3s1", "v1", "v1.32"),
        ("20.10.13", "20.10.13", "20", "20.10"),
        ("2024.05.01", "2024.05.01", "2024", "2024.05"),
        ("v3", "3", "v3", "v3"),
    ],
)
def test_the_parts_of_a_tag(tag: str, bare: str, major: str, minor: str) -> None:
    version = Version.parse(tag)
    assert (version.bare, version.major, version.minor, str(version)) == (bare, major, minor, tag)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("1.0", False),
        ("1.0+k3s1", False),
        ("1.0.post1", False),
        ("1.0-rc.1", True),
        ("1.0b2", True),
    ],
)
def test_what_is_a_prerelease(tag: str, *, expected: bool) -> None:
    assert Version.parse(tag).is_prerelease is expected


@pytest.mark.parametrize(
    "tag",
    ["", "v", "latest", "1.", ".1", "1..2", "1.0+", "1/2", "1.0 ", "1.0\n", "\u0661.2", "1" * 129],
)
def test_what_is_no_version(tag: str) -> None:
    with pytest.raises(SpellingError):
        Version.parse(tag)


@given(TAGS, TAGS, TAGS)
def test_the_order_is_total(a: str, b: str, c: str) -> None:
    one, two, three = sorted(map(Version.parse, (a, b, c)))
    assert one <= two <= three
    assert one <= three
    assert (one < two) + (one == two) + (one > two) == 1
