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

from bakery.names import nearest
from bakery.recipe.document import TAG, error, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_T = TypeVar("_T", bound=msgspec.Struct)
_WORDS = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "a truth value",
    "null": "nothing",
    "timestamp": "a date",
    "map": "a mapping",
    "seq": "a list",
}


def load(path: Path, wanted: type[_T]) -> _T:
    """Return the value of type `wanted` that a YAML file spells.

    Raises:
        DocumentError: the file can't be read or spells something else.

    """
    return typing.cast("_T", convert(read(path), wanted))


def convert(node: yaml.Node, wanted: Any) -> Any:  # noqa: PLR0911  one case per form of type
    """Return the value of type `wanted` that a node spells.

    Types: msgspec structs, `tuple[X, ...]`, `dict[str, X]`, literals, unions (told apart by the
    kind of node, structs by their keys), str, int, bool, and classes with a `parse` for text.

    Raises:
        DocumentError: it spells something else.

    """
    origin = typing.get_origin(wanted)
    if origin is Annotated:
        base, *metas = typing.get_args(wanted)
        return _constrained(node, convert(node, base), metas)
    if origin in (Union, types.UnionType):
        return convert(node, _alternative(node, typing.get_args(wanted)))
    if origin is Literal:
        return _literal(node, typing.get_args(wanted))
    if origin is tuple:
        item = typing.get_args(wanted)[0]
        return tuple(convert(child, item) for child in _sequence(node))
    if origin is dict:
        key_type, value_type = typing.get_args(wanted)
        return {convert(k, key_type): convert(v, value_type) for k, v in _mapping(node)}
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        return _struct(node, wanted)
    if wanted in (str, int, bool):
        return _plain(node, wanted)
    return _parsed(node, wanted)


@functools.cache
def _fields(struct: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(struct)}


def _struct(node: yaml.Node, struct: type[msgspec.Struct]) -> msgspec.Struct:
    fields = _fields(struct)
    values = {}
    for key, value in _mapping(node):
        if key.value not in fields:
            raise error(key, f'unknown key "{key.value}"', _did_you_mean(key.value, fields))
        values[fields[key.value].name] = convert(value, fields[key.value].type)
    for name, info in fields.items():
        if info.required and info.name not in values:
            raise error(node, f'the key "{name}" is missing', _description(info), width=1)
    return struct(**values)


def _description(info: msgspec.structs.FieldInfo) -> str | None:
    metas = [m for m in typing.get_args(info.type)[1:] if isinstance(m, msgspec.Meta)]
    described = next((meta.description for meta in metas if meta.description), None)
    return f"{info.encode_name}: {described}" if described else None


def _alternative(node: yaml.Node, alternatives: Sequence[Any]) -> Any:
    fitting = [kind for kind in alternatives if _fits(node, kind)]
    if not fitting:
        wanted = " or ".join(
            dict.fromkeys(_name(kind) for kind in alternatives if kind is not type(None))
        )
        raise error(node, f"expected {wanted}, not {_kind(node)}", _quote_hint(node, alternatives))
    if len(fitting) == 1:
        return fitting[0]
    keys = [key.value for key, _ in _mapping(node)]
    telling = {next(iter(_fields(struct))): struct for struct in fitting}
    for key in keys:
        if key in telling:
            return telling[key]
    first = next(iter(_mapping(node)), (node, node))[0]
    guess = next((n for key in keys if (n := nearest(key, telling))), None)
    raise error(
        first,
        f"this says none of {', '.join(telling)}",
        f"did you mean {guess}?" if guess else f"give one of {', '.join(telling)}",
    )


def _base(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind


def _fits(node: yaml.Node, kind: Any) -> bool:
    kind = _base(kind)
    origin = typing.get_origin(kind)
    if isinstance(node, yaml.MappingNode):
        return origin is dict or (isinstance(kind, type) and issubclass(kind, msgspec.Struct))
    if isinstance(node, yaml.SequenceNode):
        return origin is tuple
    if kind is type(None) or origin in (dict, tuple):
        return False
    if origin is Literal or kind is str or hasattr(kind, "parse"):
        return bool(node.tag == f"{TAG}str")
    return kind in (int, bool) and bool(node.tag == f"{TAG}{kind.__name__}")


def _name(kind: Any) -> str:
    kind = _base(kind)
    origin = typing.get_origin(kind)
    if origin is Literal:
        return " or ".join(typing.get_args(kind))
    if origin is dict or (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return "a mapping"
    return {tuple: "a list", int: "a number", bool: "true or false"}.get(origin or kind, "text")


def _plain(node: yaml.Node, wanted: type) -> Any:
    if not isinstance(node, yaml.ScalarNode) or node.tag != f"{TAG}{wanted.__name__}":
        raise error(
            node, f"expected {_name(wanted)}, not {_kind(node)}", _quote_hint(node, [wanted])
        )
    if wanted is int:
        try:
            return int(node.value, 0)
        except ValueError:
            raise error(node, "expected a whole number") from None
    return node.value.lower() in {"true", "yes", "on"} if wanted is bool else node.value


def _parsed(node: yaml.Node, wanted: Any) -> Any:
    text = _plain(node, str)
    try:
        return wanted.parse(text)
    except ValueError as cause:
        raise error(node, str(cause)) from None


def _literal(node: yaml.Node, words: Sequence[str]) -> str:
    text = _plain(node, str)
    if text not in words:
        raise error(node, f'"{text}" is not possible here', _did_you_mean(text, words))
    return typing.cast("str", text)


def _constrained(node: yaml.Node, value: Any, metas: Iterable[msgspec.Meta]) -> Any:
    for meta in metas:
        try:
            _hold(value, meta)
        except ValueError as cause:
            raise error(node, str(cause), meta.description) from None
    return value


def _hold(value: Any, meta: msgspec.Meta) -> None:
    if meta.pattern is not None and not re.search(meta.pattern, value):
        raise ValueError(f'"{value}" does not fit the pattern {meta.pattern}')
    if meta.min_length is not None and len(value) < meta.min_length:
        raise ValueError("this can't be empty")
    if meta.ge is not None and value < meta.ge:
        raise ValueError(f"expected at least {meta.ge}")


def _sequence(node: yaml.Node) -> list[yaml.Node]:
    if not isinstance(node, yaml.SequenceNode):
        raise error(
            node, f"expected a list, not {_kind(node)}", "write [a, b], or a line with - for each"
        )
    return typing.cast("list[yaml.Node]", node.value)


def _mapping(node: yaml.Node) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise error(node, f"expected a mapping (key: value), not {_kind(node)}")
    return typing.cast("list[tuple[yaml.ScalarNode, yaml.Node]]", node.value)


def _kind(node: yaml.Node) -> str:
    kind = node.tag.removeprefix(TAG)
    word = _WORDS.get(kind, f"a value of type {node.tag}")
    return f"{word} ({node.value})" if kind in {"int", "float", "bool", "timestamp"} else word


def _quote_hint(node: yaml.Node, wanted: Iterable[Any]) -> str | None:
    textual = any(
        _name(kind) == "text" or typing.get_origin(_base(kind)) is Literal for kind in wanted
    )
    if textual and isinstance(node, yaml.ScalarNode) and node.value:
        return f'quote it: "{node.value}"'
    return None


def _did_you_mean(word: str, valid: Iterable[str]) -> str:
    valid = list(valid)
    near = nearest(word, valid)
    known = f"known here: {', '.join(sorted(valid))}"
    return f"did you mean {near}?\n{known}" if near else known
