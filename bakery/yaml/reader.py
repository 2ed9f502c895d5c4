"""YAML files as nodes, stricter than YAML: keys are plain and unique; no anchors, no tags."""

from __future__ import annotations

import io
import re
from codecs import BOM_UTF8
from contextlib import suppress
from typing import TYPE_CHECKING

import yaml

from bakery.characters import hidden_at, visible
from bakery.text import show
from bakery.yaml.location import TAG, DocumentError, error, error_at
from bakery.yaml.syntax_errors import syntax_error

if TYPE_CHECKING:
    from pathlib import Path

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = frozenset(
    f"{TAG}{kind}"
    for kind in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "map", "seq")
)
_DEEPEST = 16
_CONFLICT = re.compile(r"(?:<{7}|>{7}) |={7}$")
_NO_BLANK = re.compile(r"[ -]*(?:[\w-]+:)? *\xa0")
_FLATTER = "close the brackets that are open, or write it with fewer levels"
_LARGEST = 1 << 20
_SURELY_SHALLOW = 1000
"""With so few opening signs no text nests deep enough to exhaust the stack of the parser in C."""


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
        _refuse_hidden(text, path)
        _refuse_tricks(text, path)
        node = yaml.compose(_NamedText(text, str(path)), Loader=_LOADER)
    except yaml.reader.ReaderError as problem:
        before = text.encode()[: problem.position].decode().split("\n")
        raise error_at(
            path, len(before) - 1, len(before[-1]), "a text can't hold this control character"
        ) from None
    except yaml.MarkedYAMLError as problem:
        if _is_deep(text, yaml.SafeLoader):  # newer parsers in C have a limit, that in Python none
            raise _too_deep(path) from None
        raise syntax_error(path, problem) from None
    except RecursionError:  # the parser in Python, where the one in C is missing
        raise _too_deep(path) from None
    if node is None:
        raise DocumentError(
            "the file is empty",
            where=show(path),
            fix="write it, or restore it from version control",
        )
    if not isinstance(node, yaml.MappingNode):
        raise error(node, "expected a mapping (key: value)", "begin each line with its key")
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
        raise DocumentError(
            f"can't be read: {problem.strerror}",
            where=show(path),
            fix="put a file there that you may read",
        ) from None
    except UnicodeDecodeError as problem:
        before = data.removeprefix(BOM_UTF8)[: problem.start].decode().split("\n")
        fix = "save the file with the encoding UTF-8"
        what = "this is not UTF-8 text"
        raise error_at(path, len(before) - 1, len(before[-1]), what, fix) from None


def _refuse_hidden(text: str, path: Path) -> None:
    """Refuse what acts on terminals or hides what stands there, in comments as well."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if _CONFLICT.match(line):
            fix = "choose one of the two texts, and remove the lines that git put around them"
            what = "this is the mark of a merge conflict"
            raise error_at(path, number, 0, what, fix, width=7, lines=lines)
        blank = _NO_BLANK.match(line)
        if blank:
            what, fix = "this looks like a blank and is none (U+00A0)", "type a blank instead"
            raise error_at(path, number, blank.end() - 1, what, fix, lines=lines)
        at = hidden_at(line, allowed="\t")
        if at is not None:
            raise error_at(path, number, at, *_hidden(line[at]), lines=lines)


def _hidden(character: str) -> tuple[str, str]:
    return f"a text can't hold this control character: {visible(character)}", "remove it"


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
    if sum(map(text.count, "[{-?")) > _SURELY_SHALLOW and _is_deep(text, _LOADER):
        raise _too_deep(path)


def _is_deep(text: str, loader: type) -> bool:
    """Tell whether a text is nested too deeply, up to where it can't be parsed."""
    depth = 0
    with suppress(yaml.YAMLError, ValueError, OverflowError):  # escapes of no character
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                return True
    return False


def _too_deep(path: Path) -> DocumentError:
    return DocumentError("this is nested too deeply", where=show(path), fix=_FLATTER)


def _check(top: yaml.MappingNode) -> None:
    pending: list[tuple[yaml.Node, int]] = [(top, 1)]
    while pending:
        node, depth = pending.pop()
        if node.tag not in _TAGS:
            raise error(
                node, "tags are not part of the language", "quote a text that begins with !"
            )
        if isinstance(node, yaml.ScalarNode):
            _refuse_escaped(node)
            continue
        if depth > _DEEPEST:
            raise error(node, "this is nested too deeply", _FLATTER)
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            pending.extend([(value, depth + 1) for _, value in node.value])
        else:
            pending.extend([(item, depth + 1) for item in node.value])


def _refuse_escaped(node: yaml.ScalarNode) -> None:
    at = hidden_at(node.value, allowed="\n\t")
    if at is not None:
        raise error(node, *_hidden(node.value[at]), span=(at, at + 1))


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise error(
                key,
                "a key must be a plain text",
                'write key: value; quote a text that begins with a bracket: "{version}"',
            )
        _refuse_escaped(key)
        if key.tag == f"{TAG}merge":
            raise error(key, "merge keys are not part of the language", "write the keys out")
        if key.value in seen:
            raise error(key, f'the key "{key.value}" stands here twice', "remove one")
        seen.add(key.value)
