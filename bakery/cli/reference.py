"""The reference of what people write, as a page of Markdown, made from the models.

A class's docstring is its text: the examples in it are the ones that the page shows, and its
sections (`## …`) each have a table of the keys that their examples set. A key's meaning is the
description of its type, or its entry below `Attributes:`.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from bakery.recipe import glob, schema
from bakery.recipe.expectations import Expectations
from bakery.recipe.lock import Lock
from bakery.recipe.model import Recipe
from bakery.settings import Settings
from bakery.yaml.convert import alternatives, described, fields, is_struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_INTRO = """# Reference

Made from the models of `bakery`: `bakery reference > .github/docs/reference.md` renews it. Tests
load each example. How to write a recipe is told in [CONTRIBUTING](../CONTRIBUTING.md).

Files are read strictly: unknown keys, wrong types and unknown placeholders are errors, shown with
file, line and column. So are control and format characters, also where they are escaped (`"\\e"`,
`%1b` in an address), and links that lead out of the recipe's folder. `bakery schema` prints the
JSON Schema of recipe.yaml, with which editors complete and check keys.
"""
LANGUAGES: dict[str, type[msgspec.Struct]] = {
    "recipe.yaml": Recipe,
    "check.yaml": Expectations,
    "lock.json": Lock,
}
_PLAIN = {str: "text", int: "a whole number", bool: "`true` or `false`"}
_ATTRIBUTES = re.compile(r"^Attributes:\n((?:    .*\n|\n)*)", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
_FENCE = re.compile(r"^```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_KEY = re.compile(r"^([\w-]+):", re.MULTILINE)


def page() -> str:
    """Return the reference."""
    return _Page().render()


def prose(kind: Any) -> str:
    """Return what a class's docstring, or a module's, says beside its attributes."""
    return _ATTRIBUTES.sub("", f"{inspect.cleandoc(kind.__doc__ or '')}\n").strip()


def meanings(kind: type) -> dict[str, str]:
    """Return what the model says of each key that a class has itself, not from its bases."""
    listed = _ATTRIBUTES.search(f"{inspect.cleandoc(kind.__doc__ or '')}\n")
    entries = _ATTRIBUTE.findall(listed[1]) if listed else []
    said = {key: " ".join(text.split()).removesuffix(".") for key, text in entries}
    if issubclass(kind, msgspec.Struct):
        own = {key: info for key, info in fields(kind).items() if info.name in _own(kind)}
        return {key: described(info.type) or said.get(info.name, "") for key, info in own.items()}
    return said


def kinds(top: Any) -> Iterator[type]:
    """Yield the classes that a type is made of, each once and before those that it names."""
    seen: dict[type, None] = {}
    _gather(top, seen)
    yield from seen


def _gather(kind: Any, seen: dict[type, None]) -> None:
    if typing.get_args(kind):
        for part in typing.get_args(kind):
            _gather(part, seen)
    elif (
        isinstance(kind, type) and (is_struct(kind) or hasattr(kind, "parse")) and kind not in seen
    ):
        for base in _bases(kind):
            _gather(base, seen)
        seen[kind] = None
        for info in fields(kind).values() if is_struct(kind) else ():
            _gather(info.type, seen)


def _bases(kind: type) -> list[type]:
    """Return the models that a class has keys from."""
    return [base for base in kind.__mro__[1:] if _own(base)]


def _own(kind: type) -> Iterable[str]:
    """Return the names of the fields that a model has itself."""
    is_model = is_struct(kind) and kind is not msgspec.Struct
    return inspect.get_annotations(kind) if is_model else ()


class _Page:
    """What is written so far."""

    def __init__(self) -> None:
        self._told: set[type] = set()
        self._texts: dict[type, None] = {}
        self._blocks = [_INTRO.strip()]

    def render(self) -> str:
        links = [*LANGUAGES, "Settings", "Texts"]
        self._blocks.append("\n".join(f"- [{each}](#{_anchor(each)})" for each in links))
        for title, top in LANGUAGES.items():
            self._language(title, top)
        self._section("## Settings", prose(Settings), _settings())
        self._blocks.append("## Texts")
        for kind in sorted(self._texts, key=lambda each: each.__name__):
            self._section(f"### {_title(kind)}", prose(kind), [])
        self._section("### Globs", prose(glob), [])
        return "\n\n".join(self._blocks) + "\n"

    def _language(self, title: str, top: type[msgspec.Struct]) -> None:
        self._told.add(top)
        head, *sections = re.split(r"^## ", prose(top), flags=re.MULTILINE)
        self._section(f"## {title}", head, [] if sections else list(fields(top)), top)
        left = dict(fields(top))
        for section in sections or [""]:
            heading, _, body = section.partition("\n")
            keys = _KEY.findall("\n".join(_FENCE.findall(body))) if sections else list(left)
            new = [key for key in dict.fromkeys(keys) if left.pop(key, None)]
            if sections:
                self._section(f"### {heading}", body, new, top)
            for key in new:
                self._nested(fields(top)[key].type)

    def _nested(self, kind: Any) -> None:
        for each in kinds(kind):
            if not is_struct(each):
                self._texts[each] = None
            elif each not in self._told:
                self._told.add(each)
                self._section(f"#### {_title(each)}", prose(each), list(meanings(each)), each)

    def _section(
        self, heading: str, text: str, keys: list[str], kind: type[msgspec.Struct] | None = None
    ) -> None:
        self._blocks += [heading, *filter(None, [text.strip()])]
        if keys and kind is None:
            self._blocks.append("\n".join(["| setting | |", "|---|---|", *keys]))
        elif keys and kind is not None:
            rows = [_row(key, fields(kind)[key], meanings(kind)[key]) for key in keys]
            self._blocks.append("\n".join(["| key | | value |", "|---|---|---|", *rows]))
        shared = _bases(kind) if kind else []
        self._blocks += [
            f"And the keys of every [{_name(base)}](#{_anchor(_title(base))})." for base in shared
        ]


def _settings() -> list[str]:
    hidden = {"root", "origins"}
    said = meanings(Settings).items()
    return [f"| `{key}` | {_cell(meaning)} |" for key, meaning in said if key not in hidden]


def _row(key: str, info: msgspec.structs.FieldInfo, meaning: str) -> str:
    value = "; ".join(filter(None, [_value(info.type), _default(info)]))
    return f"| `{key}` | {_cell(meaning)} | {_cell(value)} |"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _default(info: msgspec.structs.FieldInfo) -> str:
    if info.required:
        return "required"
    default = schema.default(info)
    if default is None or default is False:
        return ""
    words = default if isinstance(default, tuple | list) else [default]
    words = ["true" if each is True else each for each in words]
    return f"{', '.join(f'`{each}`' for each in words)} if not given"


def _value(kind: Any) -> str:
    """Return what may be written as a value of a type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        titles = [meta.title for meta in arguments[1:] if meta.title]
        ranges = [
            f" from {meta.ge} {'up' if meta.le is None else f'to {meta.le}'}"
            for meta in arguments[1:]
            if meta.ge is not None
        ]
        return titles[-1] if titles else _value(arguments[0]) + "".join(ranges)
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if origin is tuple:
        return f"a list of: {_value(arguments[0])}"
    if origin is dict:
        return f"a map of: {_value(arguments[0])} → {_value(arguments[1])}"
    if origin in (typing.Union, types.UnionType):
        options = [
            (_bases(each) or [each])[0] if is_struct(each) else each for each in alternatives(kind)
        ]
        return "; or ".join(dict.fromkeys(map(_value, options)))
    return _PLAIN.get(kind) or f"[{_name(kind)}](#{_anchor(_title(kind))})"


def _name(kind: type) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__.lstrip("_")).lower()


def _title(kind: type) -> str:
    return _name(kind).capitalize()


def _anchor(title: str) -> str:
    """Return how GitHub calls the place of a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
