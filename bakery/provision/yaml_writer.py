"""YAML as people write it: blocks of text as blocks, permissions in octal digits.

Structure and texts that need no judgement are written here, which takes a fifth of PyYAML's time;
every text that might need quotes, escapes or hints is PyYAML's to write.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import yaml

_STEP = "  "
_PLAIN = re.compile(r"(?:https?://|[a-z/])[a-z0-9/-]{5,}(?:[.:][a-z0-9/-]+)*")
"""Texts that nobody takes for something else: neither numbers nor words such as `no`."""
_PRINTABLE = bytes([*b"\n", *range(0x20, 0x7F)])


class Octal(int):
    """A number that is written as permissions are, such as 0644."""


class _Text(str):
    __slots__ = ()


class _Writer(yaml.SafeDumper):
    pass


_Writer.add_representer(
    _Text,
    lambda writer, value: writer.represent_scalar("tag:yaml.org,2002:str", str(value), style="|"),
)


def dump(value: Any) -> str:
    """Return a value as YAML, keys in the order they have."""
    return f"{_item(value, '')}\n"


def _item(value: Any, indent: str) -> str:
    """Return what stands in a sequence: mappings and sequences begin on its line."""
    if isinstance(value, dict) and value:
        return f"\n{indent}".join(f"{_line(k)}:{_led(v, indent)}" for k, v in value.items())
    if isinstance(value, list) and value:
        return f"\n{indent}".join(f"- {_item(each, indent + _STEP)}" for each in value)
    return _scalar(value, indent)


def _led(value: Any, indent: str) -> str:
    """Return what stands behind a key: mappings and sequences begin on a line of their own."""
    if isinstance(value, dict) and value:
        return f"\n{indent}{_STEP}{_item(value, indent + _STEP)}"
    if isinstance(value, list) and value:
        return f"\n{indent}{_item(value, indent)}"
    return f" {_scalar(value, indent + _STEP)}"


def _scalar(value: Any, indent: str) -> str:
    if not isinstance(value, str):
        return _other(value)
    if "\n" not in value:
        return _line(value)
    if _is_block(value):
        head, text = ("|", value[:-1]) if value.endswith("\n") else ("|-", value)
        lines = f"{head}\n{text}".replace("\n", f"\n{indent}")
        return lines.replace(f"{indent}\n", "\n") if "\n\n" in text else lines
    return _written(_Text(value)).replace(f"\n{_STEP}", f"\n{indent}")


def _is_block(text: str) -> bool:
    """Return whether these are lines in ASCII: none ends in a space, nor is the first indented.

    Whole scripts are looked at here, which takes a regular expression long.
    """
    return (
        text.isascii()
        and not text.encode().translate(None, _PRINTABLE)
        and not text.startswith((" ", "\n"))
        and not text.endswith((" ", "\n\n"))
        and " \n" not in text
    )


def _other(value: object) -> str:
    match value:
        case Octal():
            return f"0{value:o}"
        case bool():
            return "true" if value else "false"
        case _:
            return _written(value)


@functools.lru_cache(maxsize=1024)
def _line(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else _written(text, '"' if "\n" in text else None)


def _written(value: Any, style: str | None = None) -> str:
    text: str = yaml.dump(value, Dumper=_Writer, default_style=style, width=1 << 20)
    return text.removesuffix("\n").removesuffix("\n...")
