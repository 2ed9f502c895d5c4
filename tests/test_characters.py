from __future__ import annotations

import pytest

from bakery.characters import hidden_at, visible
from bakery.errors import BakeryError


@pytest.mark.parametrize(
    ("text", "at", "shown"),
    [
        ("plain, é, 中, 🐳, no-break space\u00a0", None, "plain, é, 中, 🐳, no-break space\u00a0"),
        ("a\x1b[31m", 1, "a\\x1b[31m"),
        ("a\nb", 1, "a\\nb"),
        ("\u202egnp", 0, "\\u202egnp"),
        ("x\u2028", 1, "x\\u2028"),
        ("x\u2029", 1, "x\\u2029"),
        ("\U000e0041", 0, "\\U000e0041"),
        ("\x9b", 0, "\\x9b"),
        ("\udc80", 0, "\\udc80"),
    ],
)
def test_hidden_characters_are_found_and_shown(text: str, at: int | None, shown: str) -> None:
    assert hidden_at(text) == at
    assert visible(text) == shown


def test_what_is_allowed_stays() -> None:
    assert visible("a\n\tb\x1b", allowed="\n\t") == "a\n\tb\\x1b"


def test_errors_show_what_would_act_on_a_terminal() -> None:
    error = BakeryError("no \x1b]0;x\x07", where="a\u202eb", why="one\ntwo\x85", fix="a\tb")
    assert error.render() == (
        "no \\x1b]0;x\\x07\n  where: a\\u202eb\n  why:   one\n         two\\x85\n  fix:   a\tb"
    )
