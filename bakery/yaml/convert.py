"""Nodes of a YAML file as typed values.

Stricter than YAML: keys are known, and values have the type that is asked for: an unquoted `2.10`
is a number, not the version "2.10".
"""

from __future__ import annotations

import functools
import re
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union

import msgspec
import yaml

from bakery.arch import systemd_name
from bakery.characters import hidden_at
from bakery.text import nearest
from bakery.yaml.grammar import GrammarError
from bakery.yaml.location import TAG, error
from bakery.yaml.reader import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_T = TypeVar("_T", bound=msgspec.Struct)
_KINDS = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "a truth value",
    "null": "nothing",
    "timestamp": "a date",
    "binary": "binary data",
    "map": "a mapping",
    "seq": "a list",
}
_YES = ("yes", "on", "true")  # in YAML 1.1
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_MANY_DIGITS = re.compile(r"-?[1-9][0-9]{18,}")


def load(path: Path, expected: type[_T]) -> _T:
    """Return the value of type `expected` that a YAML file spells.

    Raises:
        DocumentError: the file can't be read or spells something else.

    """
    return typing.cast("_T", convert(read(path), expected))


def convert(node: yaml.Node, expected: Any) -> Any:  # noqa: PLR0911  one case per form of type
    """Return the value of type `expected` that a node spells.

    Types: msgspec structs, `tuple[X, ...]`, `dict[str, X]`, literals, unions (told apart by the
    kind of node, structs by their keys), str, int, bool, and classes with a `parse` for text.

    Raises:
        DocumentError: it spells something else.

    """
    origin, arguments = _form(expected)
    if origin is Annotated:
        base, *metas = arguments
        if base is str and _is_misread(node) and not _is_spelled(node.value, expected):
            form = next((meta.title for meta in metas if meta.title), "text")
            raise error(node, f"expected {form}, not {_kind(node)}")
        return _constrained(node, convert(node, base), metas)
    if origin in (Union, types.UnionType):
        return convert(node, _alternative(node, expected))
    if origin is Literal:
        return _literal(node, arguments)
    if origin is tuple:
        return tuple([convert(child, arguments[0]) for child in _sequence(node)])
    if origin is dict:
        key_type, value_type = arguments
        return {convert(k, key_type): convert(v, value_type) for k, v in _mapping(node)}
    if is_struct(expected):
        return _struct(node, expected)
    if expected in (str, int, bool):
        return _plain(node, expected)
    return _parsed(node, expected)


@functools.cache
def _form(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(kind), typing.get_args(kind)


@functools.cache
def fields(struct: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """Return a struct's fields by the key that stands for each in a file."""
    return {field.encode_name: field for field in msgspec.structs.fields(struct)}


def _struct(node: yaml.Node, struct: type[msgspec.Struct]) -> msgspec.Struct:
    known = fields(struct)
    values = {}
    for key, value in _mapping(node):
        if key.value not in known:
            raise error(key, f'unknown key "{key.value}"', _did_you_mean(key.value, known))
        values[known[key.value].name] = convert(value, known[key.value].type)
    for name, info in known.items():
        if info.required and info.name not in values:
            raise error(node, f'the key "{name}" is missing', _describe(name, info))
    return struct(**values)


def _describe(name: str, info: msgspec.structs.FieldInfo) -> str | None:
    meaning = described(info.type)
    return f"add {name}: {meaning}" if meaning else f"add {name}:"


def described(kind: Any) -> str | None:
    """Return what the model says of a key of this type."""
    metas = typing.get_args(kind)[1:] if _form(kind)[0] is Annotated else ()
    said = [meta.description for meta in metas if isinstance(meta, msgspec.Meta)]
    return next((each for each in reversed(said) if each), None)


@functools.cache
def alternatives(union: Any) -> tuple[Any, ...]:
    """Return the types of a union that a file can spell; None is spelled by leaving the key out."""
    return tuple(kind for kind in typing.get_args(union) if kind is not types.NoneType)


@functools.cache
def telling_keys(structs: tuple[type[msgspec.Struct], ...]) -> dict[str, type[msgspec.Struct]]:
    """Return for each of several structs its first required key that no other one has."""
    return {
        next(
            name
            for name, info in fields(struct).items()
            if info.required and not any(name in fields(s) for s in structs if s is not struct)
        ): struct
        for struct in structs
    }


def _alternative(node: yaml.Node, union: Any) -> Any:
    kinds = alternatives(union)
    if len(kinds) == 1:
        return kinds[0]
    fitting = tuple(kind for kind in kinds if _fits(node, kind))
    if _is_unquoted(node) and "text" in map(_name, kinds):
        raise error(node, "a text that begins with a bracket needs quotes", _hint(node, kinds))
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        return _told_apart(node, fitting)
    single = [kind for kind in kinds if _form(plain(kind))[0] is not tuple]
    if isinstance(node, yaml.ScalarNode) and len(single) == 1:
        return single[0]
    names = " or ".join(dict.fromkeys(_name(kind) for kind in kinds))
    said = _kind(node)
    if isinstance(node, yaml.ScalarNode) and node.tag == f"{TAG}str":
        said = f'"{node.value}"'
    raise error(node, f"expected {names}, not {said}", _hint(node, kinds))


def _told_apart(node: yaml.Node, structs: tuple[type[msgspec.Struct], ...]) -> Any:
    telling = telling_keys(structs)
    told = [key for key, _ in _mapping(node) if key.value in telling]
    if len(told) > 1:
        first, second = told[0].value, told[1].value
        raise error(told[1], f"{first} and {second} exclude each other", "remove one of them")
    if told:
        return telling[told[0].value]
    for key, _ in _mapping(node):
        if not any(key.value in fields(struct) for struct in structs):
            raise error(key, f'unknown key "{key.value}"', _did_you_mean(key.value, telling))
    keys = " or ".join(f"{key}:" for key in telling)
    raise error(node, f"one of the keys {', '.join(telling)} is missing", f"add {keys}")


def plain(kind: Any) -> Any:
    """Return a type without what annotates it."""
    origin, arguments = _form(kind)
    return arguments[0] if origin is Annotated else kind


def is_struct(kind: Any) -> bool:
    """Return whether a type is a struct."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _fits(node: yaml.Node, kind: Any) -> bool:
    kind = plain(kind)
    origin, arguments = _form(kind)
    if isinstance(node, yaml.MappingNode):
        return origin is dict or is_struct(kind)
    if isinstance(node, yaml.SequenceNode):
        return origin is tuple
    if origin is Literal:
        return node.tag == f"{TAG}str" and node.value in arguments
    if kind is str or hasattr(kind, "parse"):
        return bool(node.tag == f"{TAG}str")
    return kind in (int, bool) and bool(node.tag == f"{TAG}{kind.__name__}")


def _name(kind: Any) -> str:
    kind = plain(kind)
    origin, arguments = _form(kind)
    if origin is Literal:
        return " or ".join(arguments)
    if is_struct(kind):
        required = [name for name, info in fields(kind).items() if info.required]
        return f"{{{', '.join(f'{name}: …' for name in required)}}}"
    names = {dict: "a mapping", tuple: "a list", int: "a whole number", bool: "true or false"}
    return names.get(origin or kind, "text")


def _plain(node: yaml.Node, expected: type) -> Any:
    if not isinstance(node, yaml.ScalarNode) or node.tag != f"{TAG}{expected.__name__}":
        raise error(node, f"expected {_name(expected)}, not {_kind(node)}", _hint(node, [expected]))
    if expected is int:
        if not _DECIMAL.fullmatch(node.value):
            if _MANY_DIGITS.fullmatch(node.value):
                raise error(node, "expected a number of 18 digits at most")
            raise error(node, "expected a whole number in decimal digits")
        return int(node.value)
    if expected is bool:
        if node.value not in {"true", "false"}:
            meant = "true" if node.value.lower() in _YES else "false"
            raise error(node, f"expected true or false, not {node.value}", f"write {meant}")
        return node.value == "true"
    return node.value


def _parsed(node: yaml.Node, expected: Any) -> Any:
    misread = _is_misread(node) and not _is_spelled(node.value, expected)
    text = node.value if misread else _plain(node, str)  # no quotes would mend it
    try:
        return expected.parse(text)
    except GrammarError as cause:
        raise error(node, cause.what, cause.fix, span=cause.span) from None
    except ValueError as cause:
        raise error(node, str(cause)) from None


def _literal(node: yaml.Node, words: Sequence[str]) -> str:
    misread = _is_misread(node) and node.value not in words
    text = node.value if misread else _plain(node, str)
    if text not in words:
        raise error(node, f'"{text}" is not possible here', _did_you_mean(text, words))
    return typing.cast("str", text)


def _constrained(node: yaml.Node, value: Any, metas: Iterable[msgspec.Meta]) -> Any:
    for meta in metas:
        if meta.pattern is not None and not _fits_pattern(meta.pattern, value):
            form = meta.title or f"a text that fits {meta.pattern}"
            raise error(node, f"expected {form}")
        if meta.min_length is not None and len(value) < meta.min_length:
            form = meta.title or meta.description or "give it an entry"
            raise error(node, "this can't be empty", form)
        if meta.ge is not None and value < meta.ge:
            raise error(node, f"expected at least {meta.ge}")
        if meta.le is not None and value > meta.le:
            raise error(node, f"expected at most {meta.le}")
    return value


def _fits_pattern(pattern: str, text: str) -> bool:
    """Return whether a text on one line has the form of a pattern, as JSON Schema means it.

    Python's `$` would hold before a line feed at the end as well.
    """
    return hidden_at(text) is None and re.search(pattern, text) is not None


def _sequence(node: yaml.Node) -> list[yaml.Node]:
    if not isinstance(node, yaml.SequenceNode):
        lone = isinstance(node, yaml.ScalarNode) and node.tag == f"{TAG}str"
        fix = f"write [{node.value}]" if lone else "write [a, b], or begin each with - and a blank"
        if lone and re.match(r"-\S", node.value):
            fix = f"put a blank behind the sign: - {node.value[1:]}"
        raise error(node, f"expected a list, not {_kind(node)}", fix)
    return typing.cast("list[yaml.Node]", node.value)


def _mapping(node: yaml.Node) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise error(
            node, f"expected a mapping, not {_kind(node)}", "write {a: b}, or a line a: b for each"
        )
    return typing.cast("list[tuple[yaml.ScalarNode, yaml.Node]]", node.value)


def _kind(node: yaml.Node) -> str:
    kind = node.tag.removeprefix(TAG)
    word = _KINDS.get(kind, "a special sign")
    return word if kind in {"str", "null", "map", "seq"} else f"{word} ({node.value})"


def _hint(node: yaml.Node, expected: Iterable[Any]) -> str | None:
    if node.tag == f"{TAG}null":
        return "give it a value, or remove the key"
    names = {_name(kind) for kind in expected}
    if isinstance(node, yaml.ScalarNode):
        return _scalar_hint(node, expected, names)
    if isinstance(node, yaml.SequenceNode) and "text" in names:
        return "write one text, without brackets"
    if _is_unquoted(node) and "text" in names:
        return f'quote it: "{{{node.value[0][0].value}}}"'
    return None


def _scalar_hint(node: yaml.ScalarNode, expected: Iterable[Any], names: set[str]) -> str | None:
    if node.tag == f"{TAG}str":
        return _as_number(node.value) if "a whole number" in names else None
    if any(_is_spelled(node.value, kind) for kind in expected):
        return f'quote it: "{node.value}"'
    return _explained(node.value, expected)


def _as_number(text: str) -> str | None:
    if _DECIMAL.fullmatch(text):
        return "remove the quotation marks"
    time = re.fullmatch(r"([0-9]+) ?(s|sec|m|min|h)", text)
    return f"write {int(time[1]) * _SECONDS[time[2][0]]}: seconds, without a unit" if time else None


def _is_misread(node: yaml.Node) -> bool:
    """Return whether a node is a lone word that YAML takes for something else than a text."""
    return isinstance(node, yaml.ScalarNode) and node.tag not in {f"{TAG}str", f"{TAG}null"}


def _is_spelled(text: str, kind: Any) -> bool:
    """Return whether a text, in quotes, would be a value of a type."""
    origin, arguments = _form(kind)
    if origin is Annotated:
        patterns = [meta.pattern for meta in arguments[1:] if meta.pattern is not None]
        fits = all(_fits_pattern(pattern, text) for pattern in patterns)
        return fits and _is_spelled(text, arguments[0])
    if origin is Literal:
        return text in arguments
    return kind is str or (hasattr(kind, "parse") and _explained(text, [kind]) is None)


def _explained(text: str, kinds: Iterable[Any]) -> str | None:
    """Return what to write instead of a text that a type refuses, where that is known."""
    for kind in filter(lambda each: hasattr(each, "parse"), map(plain, kinds)):
        try:
            kind.parse(text)
        except GrammarError as cause:
            return cause.fix or cause.what
    return None


def _is_unquoted(node: yaml.Node) -> bool:
    """Return whether a mapping is a lone placeholder, which YAML reads as a key without value."""
    return (
        isinstance(node, yaml.MappingNode)
        and bool(node.flow_style)
        and [value.tag for _, value in node.value] == [f"{TAG}null"]
    )


def _did_you_mean(word: str, valid: Iterable[str]) -> str:
    valid = sorted(valid)
    near = systemd_name(word)
    near = near if near in valid else nearest(word, valid)
    known = f"known here: {', '.join(valid)}"
    return f"did you mean {near}?\n{known}" if near else known
