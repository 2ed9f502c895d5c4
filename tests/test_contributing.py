"""CONTRIBUTING.md: the reference names every key, and its examples are right."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from bakery.recipe.expectations import Expectations
from bakery.recipe.lock import TrustKind
from bakery.recipe.model import Recipe
from bakery.recipe.types import Archive, Format, Tier, Trust
from bakery.recipe.validate import VERSION_PLACEHOLDERS, validate
from bakery.yaml import convert
from bakery.yaml.reader import read

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^(?:\$ |    )(?:bakery|doit) (\S+)", TEXT, re.MULTILINE)
CHECK = "# check.yaml\n"
BASE = {
    "summary": "An app",
    "homepage": "https://example.org/",
    "license": "MIT",
    "build": "[1.2.3]",
    "arch": "{x86-64: amd64, arm64: arm64}",
}


def keys(kind: Any) -> set[str]:
    """Return the keys of a type, and of all types that it has in it."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return set().union(*(keys(part) for part in get_args(kind)))
    fields = msgspec.structs.fields(kind)
    return set().union(*({field.encode_name} | keys(field.type) for field in fields))


def mentioned(word: str) -> bool:
    """Return whether a word stands in code, alone or as a key."""
    prose = re.sub(r"^```.*?^```$", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    code = re.findall(r"`[^`]+`", prose) + EXAMPLES
    return any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) for text in code)


@pytest.mark.parametrize("key", sorted(keys(Recipe) | keys(Expectations)))
def test_every_key_is_explained(key: str) -> None:
    assert mentioned(key)


def test_so_are_the_words_that_keys_take() -> None:
    words = [*get_args(Archive), *get_args(Format), *get_args(Tier), *get_args(Trust)]
    words += get_args(TrustKind)
    assert [word for word in words if not mentioned(word)] == []
    assert [word for word in VERSION_PLACEHOLDERS if f"`{{{word}}}`" not in TEXT] == []


@pytest.mark.parametrize("example", [text for text in EXAMPLES if not text.startswith(CHECK)])
def test_examples_of_recipes_are_valid(example: str, tmp_path: Path) -> None:
    lines = [
        f"{k}: {v}\n" for k, v in BASE.items() if not re.search(rf"^{k}:", example, re.MULTILINE)
    ]
    path = tmp_path / "recipe.yaml"
    path.write_text("".join(lines) + example)
    validate(convert.convert(read(path), Recipe))


def test_the_example_of_a_check_is_valid(tmp_path: Path) -> None:
    (example,) = [text for text in EXAMPLES if text.startswith(CHECK)]
    path = tmp_path / "check.yaml"
    path.write_text(example)
    assert convert.load(path, Expectations).units


def test_its_commands_exist() -> None:
    from bakery.cli import main

    names = {word.partition(":")[0] for word in COMMANDS}
    assert names <= {*main.commands, "build", "boot", "list"}
    assert {"new", "lock", "update", "outdated", "build", "boot"} <= names


def test_its_map_of_the_code_is_what_lint_imports_enforces() -> None:
    (contract,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    layers = [set(layer.split(" : ")) for layer in contract["layers"]]
    section = TEXT.partition("\n## The code\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) \| .+ \|$", section, re.MULTILINE)
    named = [re.findall(r"`(\w+)`", row) for row in rows]
    order = [name for row in named for name in row]
    assert len(order) == len(set(order))
    depth = {name: number for number, layer in enumerate(layers) for name in layer}
    assert set(order) == set(depth)
    assert [depth[name] for name in order] == sorted(depth[name] for name in order)
