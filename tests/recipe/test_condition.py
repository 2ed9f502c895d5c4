from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.recipe.condition import Condition
from bakery.recipe.version import Version
from bakery.yaml.grammar import GrammarError

NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(
    lambda numbers: ".".join(map(str, numbers))
)
CLAUSES = st.lists(
    st.tuples(st.sampled_from([">=", "<=", "==", "!=", ">", "<"]), NUMBERS), min_size=1, max_size=3
)
BLANKS = st.sampled_from(["", " ", "  "])


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">= v0.14.0", ["0.14.0", "v0.14", "1.0"], ["v0.13.9", "0.14.0-rc.1"]),
        (">= 1.2, < 2", ["1.2", "1.99.9", "2.0-rc1"], ["1.1", "2", "v2.0"]),
        ("!= 1.3.1", ["1.3.0", "1.3.2"], ["1.3.1", "v1.3.1"]),
        ("== 1.3", ["1.3.0"], ["1.3.1"]),
        ("<=2", ["2.0.0"], ["2.0.1"]),
    ],
)
def test_what_a_condition_holds_for(text: str, inside: list[str], outside: list[str]) -> None:
    condition = Condition.parse(text)
    assert all(condition.holds(Version.parse(tag)) for tag in inside)
    assert not any(condition.holds(Version.parse(tag)) for tag in outside)


@given(CLAUSES, BLANKS, NUMBERS)
def test_all_comparisons_must_hold(clauses: list[tuple[str, str]], blank: str, number: str) -> None:
    text = ",".join(f"{blank}{sign}{blank}{bound}{blank}" for sign, bound in clauses)
    condition = Condition.parse(text)
    version = Version.parse(number)
    assert condition.holds(version) == all(
        Condition.parse(sign + bound).holds(version) for sign, bound in clauses
    )
    assert Condition.parse(str(condition)).clauses == condition.clauses


@given(NUMBERS, NUMBERS)
def test_exactly_one_of_three_holds(bound: str, number: str) -> None:
    version = Version.parse(number)
    assert sum(Condition.parse(f"{sign} {bound}").holds(version) for sign in ("<", "==", ">")) == 1


@given(st.text(alphabet=">=<!~^ ,.v12ab-+", max_size=12))
def test_any_text_is_a_condition_or_a_mistake_with_a_place(text: str) -> None:
    mistake = None
    try:
        Condition.parse(text)
    except GrammarError as error:
        mistake = error
    if mistake is not None:
        assert mistake.fix
        assert mistake.span is not None
        assert 0 <= mistake.span[0] <= mistake.span[1] <= len(text)


@pytest.mark.parametrize(
    ("text", "written"), [(">= 1", True), (" < 2", True), ("!=1", True), ("1.0", False)]
)
def test_conditions_are_told_from_versions(text: str, *, written: bool) -> None:
    assert Condition.is_written(text) is written
