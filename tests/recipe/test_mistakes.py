from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.errors import BakeryError
from bakery.recipe.load import load_all
from bakery.recipe.plan import releases

if TYPE_CHECKING:
    from conftest import Bakery, Mistake


def message_of(bakery: Bakery) -> str:
    try:
        sources = load_all(bakery.folder)
    except BakeryError as error:
        return error.render()
    problems = [r.problem for source in sources.values() for r in releases(source) if r.problem]
    return problems[0].render() if problems else ""


def test_the_message_is_the_one_in_the_table(bakery: Bakery, mistake: Mistake) -> None:
    for path, content in mistake.files.items():
        bakery.add(path, content)
    assert mistake.message
    assert message_of(bakery) == mistake.message
