"""Parse release files, which have the grammar of os-release(5)."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINE = re.compile(r"(?P<key>[A-Z][A-Z0-9_]*)=(?P<value>.*)")


@dataclass(frozen=True)
class Fields:
    """The fields of a release file.

    Attributes:
        values: by field; of a field given twice the last one, as in systemd.
        mistakes: the lines that can't be parsed, or repeat a field, each as a message.

    """

    values: Mapping[str, str]
    mistakes: tuple[str, ...]

    def get(self, name: str) -> str:
        """Return a field's value; empty without one."""
        return self.values.get(name, "")


def parse(text: str) -> Fields:
    """Parse the text of a release file; no text is refused."""
    values: dict[str, str] = {}
    mistakes: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        value = _unquote(match["value"]) if match else None
        if match is None or value is None:
            mistakes.append(f"line {number} is not FIELD=value: {line.strip()}")
            continue
        if match["key"] in values:
            mistakes.append(f"line {number} gives {match['key']} again")
        values[match["key"]] = value
    return Fields(values, tuple(mistakes))


def _unquote(text: str) -> str | None:
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    return None if len(words) > 1 else "".join(words)
