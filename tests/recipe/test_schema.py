from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jsonschema
import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bakery.cli import schemas
from bakery.recipe import schema
from bakery.recipe.condition import Condition
from bakery.recipe.model import Recipe
from bakery.recipe.template import FilePath, ImagePath, Template, Url

if TYPE_CHECKING:
    from recipe.conftest import Mistake

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*/recipe.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(schema.document(Recipe))


class Editor(yaml.SafeLoader):
    """YAML 1.2 as editors read it: no dates, no yes and no, no merge keys."""


Editor.yaml_implicit_resolvers = {
    first: [
        (tag, re.compile("true|false") if tag.endswith(":bool") else pattern)
        for tag, pattern in resolvers
        if not tag.endswith((":timestamp", ":merge"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def shown_by_editors(text: bytes) -> bool:
    try:
        value = yaml.load(text, Editor)
    except (yaml.YAMLError, UnicodeDecodeError):
        return False  # an error of YAML, not of the schema
    return value is not None and not VALIDATOR.is_valid(value)


def test_the_committed_schema_is_up_to_date() -> None:
    committed = ROOT / "bakery/recipe/recipe.schema.json"
    assert committed.read_text("utf-8") == schemas.text("recipe"), (
        "write it anew: bakery schema > bakery/recipe/recipe.schema.json"
    )


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.document(Recipe))


def test_defaults_are_what_a_recipe_may_say() -> None:
    whole = json.loads(schemas.text("recipe"))
    for name, kind in [("", whole), *whole["$defs"].items()]:
        for key, value in kind.get("properties", {}).items():
            if "default" in value:
                validator = VALIDATOR.evolve(schema={**value, "$defs": whole["$defs"]})
                assert validator.is_valid(value["default"]), (name, key)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_every_recipe_fits_and_names_the_schema(path: Path) -> None:
    VALIDATOR.validate(yaml.safe_load(path.read_bytes()))
    first = path.read_text("utf-8").partition("\n")[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == ROOT / "bakery/recipe/recipe.schema.json"


def test_editors_show_what_the_table_says(mistake: Mistake) -> None:
    shown = [shown_by_editors(t) for p, t in mistake.files.items() if p.endswith("/recipe.yaml")]
    assert any(shown) == mistake.seen_by_editors


def test_a_variant_may_leave_out_and_take_away() -> None:
    variant = {"extends": "app", "license": None, "write": {"usr/share/a": None}}
    assert VALIDATOR.is_valid(variant)
    del variant["extends"]
    assert not VALIDATOR.is_valid(variant)


class Leaf(msgspec.Struct):
    """One leaf.

    More about it.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, pattern="^a", description="what it is called")]
    by: int = msgspec.field(name="with", default=1)


class Tree(msgspec.Struct):
    leaves: tuple[Leaf, ...]
    named: dict[Literal["a", "b"], Leaf | bool] = {}
    when: Condition | None = None


def test_every_form_of_type() -> None:
    document = schema.document(Tree)
    assert document["required"] == ["leaves"]
    assert document["properties"]["leaves"] == {"type": "array", "items": {"$ref": "#/$defs/Leaf"}}
    assert document["properties"]["named"] == {
        "type": "object",
        "propertyNames": {"enum": ["a", "b"]},
        "additionalProperties": {"anyOf": [{"$ref": "#/$defs/Leaf"}, {"type": "boolean"}]},
    }
    assert document["properties"]["when"] == {"$ref": "#/$defs/Condition"}
    assert document["$defs"]["Leaf"] == {
        "type": "object",
        "description": "One leaf.",
        "additionalProperties": False,
        "required": ["name"],
        "properties": {
            "name": {
                "type": "string",
                "minLength": 1,
                "pattern": "^a",
                "description": "what it is called",
            },
            "with": {"type": "integer", "default": 1},
        },
    }


def accepted(kind: Any, text: str) -> bool:
    try:
        kind.parse(text)
    except ValueError:
        return False
    return True


ADDRESSES = ["https://", "http:/", "file://", "{url}", "{", "}", "{{", "{arch}", "x", " ", "/"]
PATHS = ["usr", "opt", "etc", "/", "/", "..", ".", "a", "{", "}", "}}", "{name}", "{1}", " ", "\t"]
CONDITIONS = [">=", "<", "!=", "=", " ", ",", "v", "1", ".", "-rc", "+k3s1", "a", "_"]


@pytest.mark.parametrize(
    ("kind", "alphabet"),
    [
        (Template, ADDRESSES),
        (Url, ADDRESSES),
        (ImagePath, PATHS),
        (FilePath, PATHS),
        (Condition, CONDITIONS),
    ],
)
def test_a_pattern_accepts_what_its_parser_accepts(kind: Any, alphabet: list[str]) -> None:
    @given(st.lists(st.sampled_from(alphabet), max_size=9).map("".join))
    def holds(text: str) -> None:
        assert (re.search(kind.PATTERN, text) is not None) == accepted(kind, text), text

    holds()
