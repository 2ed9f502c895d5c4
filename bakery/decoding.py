"""JSON as typed values, whatever threads ask for them; and values as JSON."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")
_learning = threading.Lock()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(kind: type[_T]) -> msgspec.json.Decoder[_T]:
    """Return what decodes a type.

    msgspec learns at first use what a type looks like, and crashes where two threads make it do so
    at once: here one of them waits.
    """
    known = _decoders.get(kind)
    if known is None:
        with _learning:
            known = _decoders.setdefault(kind, msgspec.json.Decoder(kind))
    return known


def from_json(data: bytes | str, kind: type[_T]) -> _T:
    """Return the value that a JSON text has.

    Raises:
        msgspec.DecodeError: it is no JSON, or nested too deeply.
        msgspec.ValidationError: it is of another type.

    """
    try:
        return decoder(kind).decode(data)
    except RecursionError:
        raise msgspec.DecodeError("it is nested too deeply") from None


def from_data(value: object, kind: type[_T]) -> _T:
    """Return a value of dictionaries and lists as one of a type.

    Raises:
        msgspec.ValidationError: it is of another type.

    """
    decoder(kind)
    return msgspec.convert(value, kind)


def to_json(value: object, *, indent: int = 1) -> bytes:
    """Return a value as JSON for people and programs: over several lines, the last one ended."""
    return msgspec.json.format(msgspec.json.encode(value), indent=indent) + b"\n"
