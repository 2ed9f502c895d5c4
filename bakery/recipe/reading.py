"""YAML files as nodes, stricter than YAML: keys are plain and unique; no anchors, no tags."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import yaml

from bakery.recipe.document import TAG, DocumentError, error, error_at, show, text_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = frozenset(
    f"{TAG}{kind}"
    for kind in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "map", "seq")
)
_DEEPEST = 16
_LARGEST = 1 << 20
_SURELY_SHALLOW = 1000
"""With so few opening signs no text nests deep enough to exhaust the stack of the parser in C."""
_UNQUOTED = re.compile(r"(?:(?!: | #)[^,\]}\n])+?(?=:? *$|: | #|[,\]}])")


class _NamedText(io.StringIO):
    """A text that gives its nodes the name of its file."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name


def read(path: Path) -> yaml.MappingNode:
    """Return the top mapping of a YAML file.

    Raises:
        DocumentError: the file can't be read, is not YAML, or is not a mapping.

    """
    text = _text(path)
    try:
        _refuse_tricks(text, path)
        node = yaml.compose(_NamedText(text, str(path)), Loader=_LOADER)
    except yaml.reader.ReaderError as problem:
        before = text.encode()[: problem.position].decode().split("\n")
        raise error_at(
            path, len(before) - 1, len(before[-1]), "a text can't hold this control character"
        ) from None
    except yaml.MarkedYAMLError as problem:
        raise _syntax_error(path, problem) from None
    except RecursionError:  # the parser in Python, where the one in C is missing
        raise DocumentError("this is nested too deeply", where=show(path)) from None
    if node is None:
        raise DocumentError("the file is empty", where=show(path))
    if not isinstance(node, yaml.MappingNode):
        raise error(node, "expected a mapping (key: value)")
    _check(node)
    return node


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if len(data) > _LARGEST:
            raise DocumentError("the file is larger than 1 MiB", where=show(path))
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise DocumentError(
            "this file is missing", where=show(path), fix="write it, or remove the folder"
        ) from None
    except OSError as problem:
        raise DocumentError(f"can't be read: {problem.strerror}", where=show(path)) from None
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise DocumentError(
            "this line is not UTF-8 text",
            where=f"{show(path)}:{line}",
            fix="save the file with the encoding UTF-8",
        ) from None


def _refuse_tricks(text: str, path: Path) -> None:
    if "&" in text:
        for token in yaml.scan(text, Loader=_LOADER):
            if isinstance(token, yaml.AnchorToken):
                mark = token.start_mark
                raise error_at(
                    path,
                    mark.line,
                    mark.column,
                    "anchors are not part of the language",
                    f'write it out, or quote a text: "&{token.value}"',
                    width=token.end_mark.column - mark.column,
                )
    if sum(map(text.count, "[{-?")) > _SURELY_SHALLOW:
        depth = 0
        for event in yaml.parse(text, Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise DocumentError("this is nested too deeply", where=show(path))


def _check(top: yaml.MappingNode) -> None:
    pending: list[tuple[yaml.Node, int]] = [(top, 1)]
    while pending:
        node, depth = pending.pop()
        if node.tag not in _TAGS:
            raise error(
                node, "tags are not part of the language", "quote a text that begins with !"
            )
        if isinstance(node, yaml.ScalarNode):
            continue
        if depth > _DEEPEST:
            raise error(node, "this is nested too deeply")
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            pending.extend([(value, depth + 1) for _, value in node.value])
        else:
            pending.extend([(item, depth + 1) for item in node.value])


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise error(
                key,
                "a key must be a plain text",
                'write key: value; quote a text that begins with a bracket: "{version}"',
            )
        if key.tag == f"{TAG}merge":
            raise error(key, "merge keys are not part of the language", "write the keys out")
        if key.value in seen:
            raise error(key, f'the key "{key.value}" stands here twice', "remove one")
        seen.add(key.value)


def _syntax_error(path: Path, problem: yaml.MarkedYAMLError) -> DocumentError:
    """Return the parser's complaint in the words of somebody who writes recipes."""
    said = f"{problem.context or ''}: {problem.problem}"
    lines = text_lines(path)
    _, at_context, explanation = next(row for row in _COMPLAINTS if re.search(row[0], said))
    mark = (at_context and problem.context_mark) or problem.problem_mark
    if mark is None or mark.line >= len(lines):
        return DocumentError(f"this is not YAML: {problem.problem}", where=show(path))
    found = explanation(lines[mark.line], mark.column)
    if found is None:
        return error_at(
            path, mark.line, mark.column, f"this is not YAML: {problem.problem}", lines=lines
        )
    what, fix, (start, end) = found
    return error_at(path, mark.line, start, what, fix, width=end - start, lines=lines)


_Explanation = tuple[str, str, tuple[int, int]]


def _bad_beginning(line: str, column: int) -> _Explanation:
    if line[column : column + 1] == "\t":
        return "a tab can't indent", "indent with spaces", (column, column + 1)
    found = _UNQUOTED.match(line, column)
    end = found.end() if found else len(line.rstrip())
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


def _other(_line: str, _column: int) -> None:
    return None


def _quote(text: str) -> str:
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
    ("", False, _other),
)
