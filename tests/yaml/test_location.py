from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bakery.text import show
from bakery.yaml.location import InvalidError, explain
from bakery.yaml.reader import read

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.yaml.location import Span, Step


def shown(tmp_path: Path, text: str, path: list[Step], span: Span | None = None) -> str:
    """Return what the caret marks."""
    file = tmp_path / "a.yaml"
    file.write_text(text, "utf-8")
    error = explain(read(file), InvalidError(path, "wrong", span=span))
    assert error.why is not None
    line, caret = error.why.splitlines()
    start = caret.index("^")
    assert error.where is not None
    assert int(error.where.rpartition(":")[2]) == start - len("    1 | ") + 1
    return line[start : caret.rindex("^") + 1]


@pytest.mark.parametrize(
    ("text", "span", "expected"),
    [
        ("a: one two", (4, 7), "two"),
        ("a: 'one two'  # two", (4, 7), "two"),
        ('a: "one two"', (4, 7), "two"),
        ("a: aa aa", (3, 5), "aa"),
        ("a: two two", (0, 3), "two"),
        ("two: {b: c}\na: {b: two, c: two}", None, "{b: two, c: two}"),
        ("a: |\n  one\n  two three\n", (4, 7), "two"),
        ("a: |\n  one\n  two three\n", (8, 13), "three"),
        ("a: >-\n  one\n  two\n", (0, 3), ">-"),  # lines are folded: the block as a whole
        ('a: "\\u006fne two"', (4, 7), '"\\u006fne two"'),  # an escape: the text as a whole
        ("a:\n  - x\n  - y\n", None, "- x"),
        ("a:\n  key: x\n  other: y\n", None, "key"),
        ("a: [x,\n  y]\n", None, "[x,"),
        ("\ufeffa: x", None, "x"),
        ("# Käse\na: 'ü x'", (2, 3), "x"),
    ],
)
def test_the_caret_marks_the_wrong_part(
    tmp_path: Path, text: str, span: Span | None, expected: str
) -> None:
    assert shown(tmp_path, text, ["a"], span) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (["a", "b", 1], "y"),
        (["a", "b", 7], "[x, y]"),
        (["a", "zzz"], "{b: [x, y]}"),
        (["a", "b", 0, "deeper"], "x"),
        ([], "a"),
    ],
)
def test_the_nearest_node_is_shown(tmp_path: Path, path: list[Step], expected: str) -> None:
    assert shown(tmp_path, "a: {b: [x, y]}\n", path) == expected


def test_a_file_that_is_gone_is_still_named(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: x\n")
    node = read(file)
    file.unlink()
    assert explain(node, InvalidError(["a"], "wrong")).where == f"{file}:1:4"


def test_paths_are_shown_from_where_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert show(tmp_path / "a" / "b") == "a/b"
    assert show(tmp_path.parent / "b") == str(tmp_path.parent / "b")
