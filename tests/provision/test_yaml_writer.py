"""YAML for people: it reads as what was written, and looks as PyYAML would write it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bakery.provision.yaml_writer import Octal, dump

TEXTS = [
    *("", " ", "a ", "no", "on", "y", "null", "~", "1.0", "0644", "0x1f", "1e5", "12:30:00"),
    *("2026-11-26", "=", "<<", ".inf", "1_000", "0o7", "a: b", "- a", "x #y", "'q'", '"d"'),
    *("!t", "&a", "*a", "{a}", "[a]", "a,b", "@x", "`x", "? x", "%", "|", "é", "\u2028", "\x1b"),
    *("a\nb\n", "a\nb", "\na\n", "  a\nb\n", "a \nb\n", "a\n\n", "a\n\n\nb\n", "a\n b"),
    *("a\tb\nc\n", "é\nx\n", "\n", "\n\n", "--- x\n...\n", "#c\nd\n", "a\n#b\n", "a\r\nb"),
    *("/opt/x-1.0.raw", "https://example.com/a%20b", "data:;base64,AA==", "word word", "x" * 300),
]
VALUES: list[Any] = [*TEXTS, True, False, None, 3, -1, 1.5, {}, [], [[], {}], [["a"], ["b"]]]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("depth", range(3))
def test_it_reads_as_what_was_written(value: Any, depth: int) -> None:
    for _ in range(depth):
        value = {"path": value, "list": [value, {"key": value, "other": [value]}]}
    whole = {"before": "x", "it": value, "behind": "y"}
    assert yaml.safe_load(dump(whole)) == whole


@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_keys_are_quoted_where_texts_are(text: str) -> None:
    assert yaml.safe_load(dump({text: 1})) == {text: 1}


def test_it_is_written_for_people() -> None:
    value = {"files": [{"mode": Octal(0o644), "inline": "a\n\nb\n", "on": True}], "none": []}
    assert dump(value) == (
        "files:\n- mode: 0644\n  inline: |\n    a\n\n    b\n  'on': true\nnone: []\n"
    )
