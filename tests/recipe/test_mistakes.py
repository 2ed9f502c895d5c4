"""Mistakes in recipes, and the message for each, as mistakes.md has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.errors import BakeryError
from bakery.recipe.load import load_all
from bakery.recipe.plan import releases

if TYPE_CHECKING:
    from recipe.conftest import Bakery, Mistake


def message_of(bakery: Bakery) -> str:
    try:
        sources = load_all(bakery.folder)
    except BakeryError as error:
        return error.render()
    problems = [r.problem for source in sources.values() for r in releases(source) if r.problem]
    return problems[0].render() if problems else ""


AT = re.compile(r"recipes/\S+?(?P<place>:\d+(?P<column>:\d+)?)?: (?P<what>.+)")


def test_messages_say_what_where_why_and_what_to_do_once(mistake: Mistake) -> None:
    first, *more = mistake.message.split("\n")
    at = AT.fullmatch(first)
    what = at["what"] if at else first
    assert not what.endswith(".")
    assert "Traceback" not in mistake.message
    assert "msgspec" not in mistake.message
    details = [line.strip() for line in more if line.strip()]
    assert len({what, *details}) == len(details) + 1, "it says something twice"
    assert mistake.message.count("did you mean") <= 1
    if at:
        if at["column"]:
            excerpt, caret, *helps = more
            assert re.fullmatch(r" +\d+ \| .*", excerpt)
            assert re.fullmatch(r" +\| \s*\^+", caret)
        else:
            helps = more
        assert helps or what.startswith("expected "), "it does not say what to do"
    else:
        assert sum(line.startswith("  where: ") for line in more) == 1
        assert sum(line.startswith("  fix:   ") for line in more) == 1


def test_the_message_is_the_one_in_the_table(bakery: Bakery, mistake: Mistake) -> None:
    for path, content in mistake.files.items():
        bakery.add(path, content)
    assert mistake.message
    assert message_of(bakery) == mistake.message
