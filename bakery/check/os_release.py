"""The grammar of os-release(5), which release files share."""

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
    """What a release file says.

    Attributes:
        values: by field; the last one wins where a field is given twice, as systemd has it.
        mistakes: what is wrong in which line.

    """

    values: Mapping[str, str]
    mistakes: tuple[str, ...]

    def get(self, name: str) -> str:
        """Return a field's value; empty when it is not there."""
        return self.values.get(name, "")


def parse(text: str) -> Fields:
    """Return the fields and the mistakes of a release file."""
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
