"""YAML files as nodes that know their place, so that every mistake is shown where it stands.

Stricter than YAML: keys are plain and unique, and there are no anchors.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from bakery.errors import BakeryError

if TYPE_CHECKING:
    from collections.abc import Sequence

Step = str | int

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TAG = "tag:yaml.org,2002:"


class DocumentError(BakeryError):
    """A file says something it can't say; `where` is file:line:column and `why` the excerpt."""

    def render(self) -> str:
        """Return the error in the order of compilers: place, message, excerpt, help."""
        lines = [f"{self.where}: {self.what}"]
        if self.why:
            lines.append(self.why)
        if self.fix:
            lines.extend(f"  {line}" for line in self.fix.splitlines())
        return "\n".join(lines)


class InvalidError(Exception):
    """A part of a document breaks a rule; `explain` gives it a place.

    Attributes:
        path: keys and indices from the top of the document.
        message: what is wrong.
        fix: what to write instead.
        at_key: whether the key itself is wrong rather than its value.

    """

    def __init__(
        self, path: Sequence[Step], message: str, *, fix: str | None = None, at_key: bool = False
    ) -> None:
        super().__init__(message)
        self.path = tuple(path)
        self.message = message
        self.fix = fix
        self.at_key = at_key


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
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise DocumentError(f"can't be read: {error.strerror}", where=show(path)) from error
    except UnicodeDecodeError as error:
        raise DocumentError(
            "is not UTF-8 text", where=show(path), fix="save it with the encoding UTF-8"
        ) from error
    try:
        node = yaml.compose(_NamedText(text, str(path)), Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        if mark is None:
            raise DocumentError("this is not YAML", where=show(path), why=f"  {error}") from None
        problem = getattr(error, "problem", None)
        raise _error_at(mark, f"this is not YAML: {problem}", 1, None) from None
    if not isinstance(node, yaml.MappingNode):
        raise DocumentError("expected a mapping (key: value)", where=f"{show(path)}:1:1")
    _refuse_ambiguity(node)
    return node


def _refuse_ambiguity(top: yaml.Node) -> None:
    seen: set[int] = set()
    pending = [top]
    while pending:
        node = pending.pop()
        if id(node) in seen:
            raise error(node, "anchors and aliases are not part of the language", "write it out")
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.tag == f"{TAG}merge":
                    raise error(key, "a key must be a plain text")
                if key.value in keys:
                    raise error(key, f'the key "{key.value}" stands here twice', "remove one")
                keys.add(key.value)
                pending.append(value)


def overlay(base: yaml.MappingNode, variant: yaml.MappingNode) -> yaml.MappingNode:
    """Return `base` with the keys of `variant` put over it: mappings merge, all else replaces."""
    pairs = {key.value: (key, value) for key, value in base.value}
    for key, value in variant.value:
        below = pairs.get(key.value)
        if below and isinstance(below[1], yaml.MappingNode) and isinstance(value, yaml.MappingNode):
            value = overlay(below[1], value)  # noqa: PLW2901  the merged value takes its place
        pairs[key.value] = (key, value)
    return yaml.MappingNode(variant.tag, list(pairs.values()), variant.start_mark, variant.end_mark)


def locate(top: yaml.Node, path: Sequence[Step], *, at_key: bool = False) -> yaml.Node:
    """Return the node at a path of keys and indices, or the nearest one above it."""
    node = key_node = top
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == step), None)
            if found is None:
                break
            key_node, node = found
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value)
        ):
            key_node = node = node.value[step]
        else:
            break
    return key_node if at_key else node


def explain(top: yaml.Node, invalid: InvalidError) -> DocumentError:
    """Return the error that shows where in the document a rule is broken."""
    return error(locate(top, invalid.path, at_key=invalid.at_key), invalid.message, invalid.fix)


def error(
    node: yaml.Node, message: str, fix: str | None = None, *, width: int | None = None
) -> DocumentError:
    """Return the error that shows a node; `width` characters are marked, else the whole node."""
    start, end = node.start_mark, node.end_mark
    if width is None:
        width = end.column - start.column if end.line == start.line else 1
    return _error_at(start, message, width, fix)


def _error_at(mark: yaml.Mark, message: str, width: int, fix: str | None) -> DocumentError:
    place = f"{show(Path(mark.name))}:{mark.line + 1}:{mark.column + 1}"
    return DocumentError(message, where=place, why=_excerpt(Path(mark.name), mark, width), fix=fix)


def _excerpt(path: Path, mark: yaml.Mark, width: int) -> str:
    lines = path.read_text("utf-8").splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    gutter = f"{mark.line + 1:>5} | "
    caret = " " * len(gutter[:-2]) + "| " + " " * mark.column + "^" * max(width, 1)
    return f"{gutter}{line}\n{caret}"


def show(path: Path) -> str:
    """Return the path as short as it can be said from the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
