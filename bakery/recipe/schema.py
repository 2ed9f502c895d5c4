"""JSON Schemas of the languages, made from their types; editors complete and check with them."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Literal

import msgspec

from bakery.yaml.convert import alternatives, fields, plain

_Schema = dict[str, Any]
_NULL: _Schema = {"type": "null"}
_PLAIN = {str: "string", int: "integer", bool: "boolean"}


def document(top: type[msgspec.Struct]) -> _Schema:
    """Return the JSON Schema (draft 2020-12) of files that spell a value of type `top`.

    A type with a key `extends` has variants: a file that extends another one may leave required
    keys out, and may take away keys and entries with null.

    """
    definitions: _Schema = {}
    _of(top, definitions)
    schema = definitions.pop(top.__name__)
    if "extends" in fields(top):
        schema = _with_variants(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": top.__name__,
        **schema,
        "$defs": dict(sorted(definitions.items())),
    }


def _of(kind: Any, definitions: _Schema) -> _Schema:
    if typing.get_origin(kind) is not None or isinstance(kind, types.UnionType):
        return _generic(kind, definitions)
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # a type that holds itself ends here
        is_struct = issubclass(kind, msgspec.Struct)
        definitions[kind.__name__] = _struct(kind, definitions) if is_struct else _text(kind)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _generic(kind: Any, definitions: _Schema) -> _Schema:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        schema = _of(plain(kind), definitions)
        for meta in arguments[1:]:
            schema = {**schema, **_constraints(meta, schema)}
        return schema
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    if origin is dict:
        key, value = (_of(argument, definitions) for argument in arguments)
        return {"type": "object", "propertyNames": key, "additionalProperties": value}
    options = [_of(option, definitions) for option in alternatives(kind)]
    return options[0] if len(options) == 1 else {"anyOf": options}


def _text(kind: type) -> _Schema:
    schema: _Schema = {"type": "string", "description": _summary(kind)}
    pattern = getattr(kind, "PATTERN", None)
    return {**schema, "pattern": pattern} if pattern else schema


def _summary(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]


def _constraints(meta: msgspec.Meta, schema: _Schema) -> _Schema:
    least = {"string": "minLength", "array": "minItems", "object": "minProperties"}
    keywords = {
        "title": meta.title,
        "description": meta.description,
        "pattern": meta.pattern,
        "minimum": meta.ge,
        "maximum": meta.le,
        least.get(schema.get("type", ""), ""): meta.min_length,
    }
    return {name: value for name, value in keywords.items() if value is not None}


def _struct(struct: type[msgspec.Struct], definitions: _Schema) -> _Schema:
    known = fields(struct)
    required = [key for key, info in known.items() if info.required]
    return {
        "description": _summary(struct),
        "type": "object",
        "properties": {
            key: {**_of(info.type, definitions), **_default(info)} for key, info in known.items()
        },
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _default(info: msgspec.structs.FieldInfo) -> _Schema:
    value = default(info)
    return {} if value is None else {"default": value}


def default(info: msgspec.structs.FieldInfo) -> Any:
    """Return what a file would say for the default of a key; None where nothing stands for it."""
    value = info.default
    if value is msgspec.NODEFAULT or value in (None, (), {}) or isinstance(value, msgspec.Struct):
        return None
    return str(value) if hasattr(value, "parse") else msgspec.to_builtins(value)


def _with_variants(schema: _Schema) -> _Schema:
    properties, required = schema["properties"], schema.pop("required", [])
    maps = {key: value for key, value in properties.items() if value.get("type") == "object"}
    loose = {
        key: {**value, "additionalProperties": _or_null(value["additionalProperties"])}
        for key, value in maps.items()
    }
    some = {"not": _NULL}
    strict = dict.fromkeys(properties, some) | {
        key: {**some, "additionalProperties": some} for key in maps
    }
    nullable = {
        key: value if key == "extends" else _or_null(value)
        for key, value in {**properties, **loose}.items()
    }
    return {
        **schema,
        "properties": nullable,
        "if": {"required": ["extends"]},
        "else": {"properties": strict, "required": required},
    }


def _or_null(schema: _Schema) -> _Schema:
    outside = {"title", "description", "default"}
    inner = {key: value for key, value in schema.items() if key not in outside}
    outer = {key: value for key, value in schema.items() if key in outside}
    return {**outer, "anyOf": [inner, _NULL]}
