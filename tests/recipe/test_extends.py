from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from bakery.recipe.extends import overlay
from bakery.yaml.reader import read

if TYPE_CHECKING:
    from pathlib import Path


def laid_over(tmp_path: Path, base: str, variant: str) -> object:
    for name, text in (("base", base), ("variant", variant)):
        (tmp_path / name).write_text(text)
    node = overlay(read(tmp_path / "base"), read(tmp_path / "variant"), {"write", "arch"})
    return yaml.safe_load(yaml.serialize(node))


def test_keys_replace_and_named_entries_merge(tmp_path: Path) -> None:
    assert laid_over(
        tmp_path,
        "build: [1, 2]\nwrite: {a: 1, b: {text: 2}}\nos: {id: x, level: 1}\nformat: ext4\n",
        "build: [3]\nwrite: {b: {when: 3}, c: 4}\nos: {id: y, version: 2}\n",
    ) == {
        "build": [3],
        "write": {"a": 1, "b": {"when": 3}, "c": 4},
        "os": {"id": "y", "version": 2},
        "format": "ext4",
    }


def test_null_takes_away_a_key_or_an_entry(tmp_path: Path) -> None:
    assert laid_over(
        tmp_path, "write: {a: 1, b: 2}\nstart: [x]\nos: any\n", "write: {a: null}\nstart: ~\nos:\n"
    ) == {"write": {"b": 2}}


def test_a_whole_mapping_may_come_new_or_go(tmp_path: Path) -> None:
    assert laid_over(tmp_path, "arch: {a: 1}", "arch: null\nwrite: {b: 2}") == {"write": {"b": 2}}
