"""What the YAML parser complains about, in the words of somebody who writes recipes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.text import show
from bakery.yaml.location import DocumentError, error_at, text_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import yaml

_UNQUOTED = re.compile(r"(?:(?!: | #)[^,\]}\n])+?(?=:? *$|: | #|[,\]}])")


def syntax_error(path: Path, problem: yaml.MarkedYAMLError) -> DocumentError:
    """Return the parser's complaint in the words of somebody who writes recipes."""
    said = f"{problem.context or ''}: {problem.problem}"
    lines = text_lines(path)
    _, at_context, explanation = next(row for row in _COMPLAINTS if re.search(row[0], said))
    mark = (at_context and problem.context_mark) or problem.problem_mark
    if mark is None or mark.line >= len(lines):
        return DocumentError(f"this is not YAML: {problem.problem}", where=show(path))
    explained = explanation(lines[mark.line], mark.column)
    if explained is None:
        return error_at(
            path, mark.line, mark.column, f"this is not YAML: {problem.problem}", lines=lines
        )
    what, fix, (start, end) = explained
    return error_at(path, mark.line, start, what, fix, width=end - start, lines=lines)


_Explanation = tuple[str, str, tuple[int, int]]


def _bad_beginning(line: str, column: int) -> _Explanation:
    if line[column : column + 1] == "\t":
        return "a tab can't indent", "indent with spaces", (column, column + 1)
    match = _UNQUOTED.match(line, column)
    end = match.end() if match else len(line.rstrip())
    return (
        f"a text that begins with {line[column : column + 1]} needs quotes",
        _quote(line[column:end]),
        (column, end),
    )


def _second_colon(line: str, column: int) -> _Explanation:
    before = re.search(r"(?::|-|[,{\[]) +(?=\S)", line[:column])
    if before:
        text = line[before.end() :].rstrip()
        span = (before.end(), before.end() + len(text))
        return "a text that holds a colon and a blank needs quotes", _quote(text), span
    return (
        "this key stands where none can be",
        "correct the indentation, or end the line before with a colon",
        (len(line) - len(line.lstrip()), column),
    )


def _no_colon(line: str, column: int) -> _Explanation:
    end = len(line.rstrip())
    return "expected key: value", f"write {line[column:end]}: VALUE", (column, end)


def _open_quotation(line: str, column: int) -> _Explanation:
    fix = f"end it with {line[column : column + 1]}"
    return "this quotation is never closed", fix, (column, len(line.rstrip()))


def _open_bracket(_line: str, column: int) -> _Explanation:
    return (
        "this bracket is not closed where it should be",
        'write [a, b] or {key: value}; quote a text that begins with a bracket: "{version}"',
        (column, column + 1),
    )


def _no_key(line: str, column: int) -> _Explanation:
    begun = re.search(r"(?::|-) +(?=[{\[\"'])", line[:column])
    if begun:
        text = line[begun.end() :].rstrip()
        what = f"a text that begins with {text[0]} needs quotes"
        return what, _quote(text), (begun.end(), begun.end() + len(text))
    end = len(line.rstrip())
    return "expected a key", "indent it like the keys it belongs to", (column, end)


def _second_document(line: str, column: int) -> _Explanation:
    return "a second document begins here", "remove the line", (column, len(line))


def _escape(line: str, column: int) -> _Explanation:
    end = column + len(re.match(r"[0-9A-Za-z]*", line[column:])[0])  # type: ignore[index]
    what = "this escape stands for no character"
    return what, "write the character itself, or two \\ for one", (column, max(end, column + 1))


def _other(_line: str, _column: int) -> None:
    return None


def _quote(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == "'":  # an apostrophe has ended it
        text = text[1:-1]
    if '"' in text or "\\" in text:
        return "quote it: '" + text.replace("'", "''") + "'"
    return f'quote it: "{text}"'


_COMPLAINTS: tuple[tuple[str, bool, Callable[[str, int], _Explanation | None]], ...] = (
    ("cannot start any token", False, _bad_beginning),
    ("undefined alias", False, _bad_beginning),
    ("scanning an alias|scanning an anchor|scanning a block scalar", True, _bad_beginning),
    ("mapping values are not allowed", False, _second_colon),
    ("expected ':'", True, _no_colon),
    ("quoted scalar: found unexpected", True, _open_quotation),
    ("parsing a flow (mapping|sequence)", True, _open_bracket),
    ("expected key|expected '-' indicator", False, _no_key),
    ("single document", False, _second_document),
    ("escape (character|code)", False, _escape),
    ("", False, _other),
)
