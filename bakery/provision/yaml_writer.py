"""YAML as people write it: blocks of text as blocks, permissions in octal digits."""

from __future__ import annotations

from typing import Any

import yaml


class Octal(int):
    """A number that is written as permissions are, such as 0644."""


# libyaml's where there is one, which writes the same, thirty times as fast
class _Writer(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    pass


def _text(writer: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return writer.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _octal(writer: yaml.SafeDumper, value: Octal) -> yaml.Node:
    return writer.represent_scalar("tag:yaml.org,2002:int", f"0{value:o}")


_Writer.add_representer(str, _text)
_Writer.add_representer(Octal, _octal)


def dump(value: Any) -> str:
    """Return a value as YAML, keys in the order they have."""
    return yaml.dump(value, Dumper=_Writer, sort_keys=False, width=1 << 20)
