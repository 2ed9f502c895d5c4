from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.recipe.version import Version
from bakery.yaml.grammar import GrammarError

TAGS = st.from_regex(Version.GRAMMAR, fullmatch=True).filter(lambda tag: len(tag) < 40)

IN_ORDER = [
    ["0.9", "v1.0-alpha", "1.0.0-beta.2", "1.0-beta.11", "1.0rc1", "v1.0", "1.0.post1", "1.0.1"],
    ["v1.31.4-rc1+k3s1", "v1.31.4+k3s1", "v1.31.4+k3s2", "v1.31.4+k3s10", "v1.31.5+k3s1"],
    ["v1.31.4-rc1+rke2r1", "v1.31.4+rke2r1", "v1.31.4+rke2r2", "v1.32.0+rke2r1"],
    ["1.0-rc.1", "1.0", "1.0+k3s1", "1.0+k3s2", "1.0.1"],
    ["1.20.1", "1.21.4-rc1", "1.21.4", "1.21.4+ent", "1.21.10"],
    ["19.03.9", "20.10.9", "20.10.13", "28.5.2"],
    ["2023-12-31", "2024-01-30", "2024-02-03", "2024.05.01", "20241028.0", "20250115.1"],
    ["0.9.9", "1.2.3.4", "1.2.3.10", "1.2.4", "24.3.1.2672-lts", "24.8.1.2684-lts"],
    ["2.6.12", "2.6.12-1", "2.6.12-1+deb12u1", "2.6.12-2", "3.0.2-1.deb12u1", "3.0.2-1.deb13u1"],
]


@pytest.mark.parametrize("tags", IN_ORDER, ids=lambda tags: tags[-1])
def test_versions_stand_in_the_order_they_mean(tags: list[str]) -> None:
    assert sorted(set(tags), key=Version.parse) == tags


SERIES = {
    name: tags
    for name, *tags in map(
        str.split, Path(__file__).with_name("versions.txt").read_text().splitlines()
    )
    if name != "#"
}


def test_the_table_is_a_large_one() -> None:
    assert sum(map(len, SERIES.values())) >= 120


@pytest.mark.parametrize("name", SERIES)
def test_order_and_kind_of_real_versions(name: str) -> None:
    tags = [tag.strip("()") for tag in SERIES[name]]
    assert sorted(tags, key=Version.parse) == tags
    assert len(set(map(Version.parse, tags))) == len(tags)
    previews = [tag for tag in tags if Version.parse(tag).is_prerelease]
    assert previews == [tag.strip("()") for tag in SERIES[name] if tag.startswith("(")]


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
        ("9.9p1", False),
        ("12.4-1", False),
        ("3.0.2-1.deb12u1", False),
        ("2024-11-02", False),
        ("24.8.1.2684-lts", False),
        ("v1.31.4+rke2r1", False),
        ("v1.31.4-rc1+k3s1", True),
        ("1.0.pre1", True),
        ("1.0-0.alpha", True),
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
    with pytest.raises(GrammarError):
        Version.parse(tag)


@given(TAGS, TAGS, TAGS)
def test_the_order_is_total(a: str, b: str, c: str) -> None:
    one, two, three = sorted(map(Version.parse, (a, b, c)))
    assert one <= two <= three
    assert one <= three
    assert (one < two) + (one == two) + (one > two) == 1
