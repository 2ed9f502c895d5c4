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
        if depth > _DEEPEST:
            raise error(node, "this is nested too deeply")
        if node.tag.startswith("!") or "/" in node.tag.removeprefix(TAG):
            raise error(node, "tags are not part of the language", "remove the word after !")
        if isinstance(node, yaml.SequenceNode):
            pending.extend((item, depth + 1) for item in node.value)
        elif isinstance(node, yaml.MappingNode):
            _check_keys(node)
            pending.extend((value, depth + 1) for _, value in node.value)


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
    _, at_context, message = next(row for row in _COMPLAINTS if re.search(row[0], said))
    mark = (at_context and problem.context_mark) or problem.problem_mark
    if mark is None:
        return DocumentError("this is not YAML", where=show(path), why=f"  {said}")
    rest = lines[mark.line][mark.column :] if mark.line < len(lines) else ""
    what, fix, width = message(rest, str(problem.problem))
    return error_at(path, mark.line, mark.column, what, fix, width=width, lines=lines)


_Message = tuple[str, str | None, int]


def _bad_beginning(rest: str, _problem: str) -> _Message:
    if rest.startswith("\t"):
        return "a tab can't indent", "indent with spaces", 1
    found = _UNQUOTED.match(rest)
    word = found[0].rstrip() if found else rest.strip()
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f"a text without quotes can't begin with {rest[:1]}",
        f'quote it: "{escaped}"',
        len(word),
    )


def _second_colon(_rest: str, _problem: str) -> _Message:
    fix = "quote a text that holds a colon and a blank; or correct the indentation"
    return "there is no key: value here", fix, 1


def _open_quote(rest: str, _problem: str) -> _Message:
    return "the quotation is never closed", f"end it with {rest[:1]}", len(rest)


def _open_bracket(rest: str, _problem: str) -> _Message:
    return (
        "this bracket is not closed where it should be",
        'write [a, b] or {key: value}; quote a text that begins with a bracket: "{version}"',
        max(len(rest[:1]), 1),
    )


def _no_key(_rest: str, _problem: str) -> _Message:
    return (
        "expected a key",
        'correct the indentation; quote a text that begins with a bracket: "{version}.tgz"',
        1,
    )


def _other_document(_rest: str, _problem: str) -> _Message:
    return "a second document begins here", "remove the line", 3


def _other(_rest: str, problem: str) -> _Message:
    return f"this is not YAML: {problem}", None, 1


_COMPLAINTS: tuple[tuple[str, bool, Callable[[str, str], _Message]], ...] = (
    ("cannot start any token", False, _bad_beginning),
    ("undefined alias", False, _bad_beginning),
    ("scanning an alias|scanning an anchor|scanning a block scalar", True, _bad_beginning),
    ("mapping values are not allowed", False, _second_colon),
    ("expected ':'", True, _second_colon),
    ("quoted scalar: found unexpected", True, _open_quote),
    ("parsing a flow (mapping|sequence)", True, _open_bracket),
    ("parsing a flow node", False, _open_bracket),
    ("expected key|expected <block end>|expected '-' indicator", False, _no_key),
    ("single document", False, _other_document),
    ("", False, _other),
)
