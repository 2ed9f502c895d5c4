from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from bakery.yaml import convert
from bakery.yaml.location import DocumentError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Even:
    number: int

    @classmethod
    def parse(cls, text: str) -> Even:
        if int(text) % 2:
            raise ValueError(f"{text} is odd")
        return cls(int(text))


class Cat(Struct, frozen=True):
    name: str
    colour: str
    lives: Annotated[int, Meta(ge=1, le=9)] = 9


class Dog(Struct, frozen=True):
    name: str
    tricks: tuple[str, ...]


class Zoo(Struct, frozen=True, kw_only=True):
    pets: tuple[Cat | Dog | str, ...] = ()
    food: dict[Literal["fish", "meat"], Even] = {}
    open: bool = True
    motto: Annotated[str | None, Meta(description="what is over the gate")] = None
    of: str = msgspec.field(name="from", default="")


def load(tmp_path: Path, text: str, wanted: Any = Zoo) -> Any:
    path = tmp_path / "a.yaml"
    path.write_text(text, "utf-8")
    return convert.load(path, wanted)


def test_every_form_of_type(tmp_path: Path) -> None:
    zoo = load(
        tmp_path,
        """\
pets:
  - Rex
  - {name: Tom, colour: red, lives: 7}
  - name: Bello
    tricks: [sit, "10"]
food: {fish: "2", meat: "40"}
open: false
from: here
motto: >-
  come
  in
""",
    )
    assert zoo == Zoo(
        pets=("Rex", Cat("Tom", "red", 7), Dog("Bello", ("sit", "10"))),
        food={"fish": Even(2), "meat": Even(40)},
        open=False,
        of="here",
        motto="come in",
    )


def test_defaults_hold_where_nothing_is_said(tmp_path: Path) -> None:
    assert load(tmp_path, "{}") == Zoo()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("food: {fish: '3'}", "3 is odd"),
        ("food: {bread: '2'}", '"bread" is not possible here'),
        (
            "pets: [1]",
            "expected {name: …, colour: …} or {name: …, tricks: …} or text, not a number (1)",
        ),
        ("pets: [{name: Tom, colour: red, lives: 0}]", "expected at least 1"),
        ("pets: [{name: Tom, colour: red, lives: 10}]", "expected at most 9"),
        ("pets: [{name: Tom, colour: red, lives: 1e3}]", "expected a whole number, not text"),
        (
            "pets: [{name: Tom, colour: red, lives: 1_000}]",
            "expected a whole number in decimal digits",
        ),
        (
            "pets: [{name: Tom, colour: red, lives: 1:30}]",
            "expected a whole number in decimal digits",
        ),
        (
            "pets: [{name: Tom, colour: red, lives: 99999999999999999999}]",
            "expected a number of 18 digits at most",
        ),
        ("open: yes", "expected true or false, not yes"),
        ("open: 'true'", "expected true or false, not text"),
        ("motto: ~", "expected text, not nothing"),
        ("motto: =", "expected text, not a special sign (=)"),
        ("motto: <<", "expected text, not a special sign (<<)"),
        ("motto: 1.5", "expected text, not a number (1.5)"),
        ("1: x", 'unknown key "1"'),
        ("of: here", 'unknown key "of"'),
    ],
)
def test_what_is_something_else(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        load(tmp_path, text)
    assert caught.value.what.startswith(message)


def test_the_hint_quotes_what_stands_there(tmp_path: Path) -> None:
    with pytest.raises(DocumentError) as caught:
        load(tmp_path, "from: no")
    assert caught.value.fix == 'quote it: "no"'
