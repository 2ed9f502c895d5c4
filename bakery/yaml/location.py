"""Places in YAML files, so that every mistake is shown where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from bakery.characters import visible
from bakery.errors import BakeryError
from bakery.text import show

if TYPE_CHECKING:
    from collections.abc import Sequence

Step = str | int
Span = tuple[int, int]

TAG = "tag:yaml.org,2002:"


class DocumentError(BakeryError):
    """A file says something it can't say; `where` is file:line:column and `why` the excerpt."""

    def render(self) -> str:
        """Return the error in the order of compilers: location, message, excerpt, help."""
        lines = [f"{self.where}: {self.what}"]
        if self.why:
            lines.append(self.why)
        if self.fix:
            lines.extend(f"  {line}" for line in self.fix.split("\n"))
        return visible("\n".join(lines), allowed="\n\t")


class InvalidError(Exception):
    """A part of a document breaks a rule; `explain` gives it a location.

    Attributes:
        path: keys and indices from the top of the document.
        message: what is wrong.
        fix: what to write instead.
        at_key: whether the key itself is wrong rather than its value.
        span: which characters of the text are wrong; None for all of them.

    """

    def __init__(
        self,
        path: Sequence[Step],
        message: str,
        *,
        fix: str | None = None,
        at_key: bool = False,
        span: Span | None = None,
    ) -> None:
        super().__init__(message)
        self.path = tuple(path)
        self.message = message
        self.fix = fix
        self.at_key = at_key
        self.span = span


def locate(top: yaml.Node, path: Sequence[Step], *, at_key: bool = False) -> yaml.Node:
    """Return the node at a path of keys and indices, or the nearest one above it."""
    node = key_node = top
    for step in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == step), None)
            if pair is None:
                break
            key_node, node = pair
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value)
        ):
            key_node = node = node.value[step]
        else:
            break
    return key_node if at_key else node


def explain(top: yaml.Node, invalid: InvalidError) -> DocumentError:
    """Return the error that shows where in the document a rule is broken."""
    node = locate(top, invalid.path, at_key=invalid.at_key)
    return error(node, invalid.message, invalid.fix, span=invalid.span)


def error(
    node: yaml.Node, message: str, fix: str | None = None, *, span: Span | None = None
) -> DocumentError:
    """Return the error that shows a node: its first line, or the `span` of its text."""
    path = Path(node.start_mark.name)
    lines = text_lines(path)
    line, column, width = _marked(node, lines)
    if span is not None and isinstance(node, yaml.ScalarNode):
        line, column, width = _spanned(node, span, lines) or (line, column, width)
    return error_at(path, line, column, message, fix, width=width, lines=lines)


def _marked(node: yaml.Node, lines: Sequence[str]) -> tuple[int, int, int]:
    start, end = node.start_mark, node.end_mark
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        end = node.value[0][0].end_mark
    last = end.column if end.line == start.line else len(lines[start.line].rstrip())
    return start.line, start.column, last - start.column


def _spanned(
    node: yaml.ScalarNode, span: Span, lines: Sequence[str]
) -> tuple[int, int, int] | None:
    """Return line, column and width of a part of a text, or None where escapes hide it."""
    first, behind = span
    begin = node.value.rfind("\n", 0, first) + 1
    text = node.value[begin:].partition("\n")[0]
    for number in range(node.start_mark.line, min(node.end_mark.line + 1, len(lines))):
        offset = node.start_mark.column if number == node.start_mark.line else 0
        column = lines[number].find(text, offset)
        if text and column >= 0:
            return number, column + first - begin, min(behind - first, len(text))
    return None


def text_lines(path: Path) -> list[str]:
    """Return the lines of a text file; none where it can't be read any more."""
    try:
        return path.read_text("utf-8-sig", errors="replace").split("\n")
    except OSError:
        return []


def error_at(
    path: Path,
    line: int,
    column: int,
    message: str,
    fix: str | None = None,
    *,
    width: int = 1,
    lines: Sequence[str] | None = None,
) -> DocumentError:
    """Return the error that points into a file; line and column count from 0."""
    lines = text_lines(path) if lines is None else lines
    return DocumentError(
        message,
        where=f"{show(path)}:{line + 1}:{column + 1}",
        why=_excerpt(lines[line] if line < len(lines) else "", line, column, width),
        fix=fix,
    )


def _excerpt(text: str, line: int, column: int, width: int) -> str:
    gutter = f"{line + 1:>5} | "
    indent = "".join(char if char == "\t" else " " for char in text[:column].ljust(column))
    return f"{gutter}{text}\n{'| ':>{len(gutter)}}{indent}{'^' * max(width, 1)}"
