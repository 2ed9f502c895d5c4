"""SHA256SUMS, as `sha256sum --check` and systemd-sysupdate read it.

An entry `BEST-BEFORE-2026-12-24` with the digest of no bytes is no file, but says how long the list
is to be believed: until that day begins, in UTC. systemd-sysupdate refuses an older list from
version 260 on, and knows no such entry before (sysupdate.d(5)). It never asks for the file.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "SHA256SUMS"
SIGNATURE = f"{FILE}.gpg"
ARMORED = f"{FILE}.asc"

NAME = "[A-Za-z0-9][A-Za-z0-9._+@:~-]*"
"""What a file of a release may be called."""

_BEST_BEFORE = "BEST-BEFORE-"
_EMPTY = hashlib.sha256(b"").hexdigest()
_LINE = re.compile(rf"(?P<digest>[0-9a-f]{{64}}) [ *](?P<name>{NAME})")


def encode(digests: Mapping[str, str], best_before: date | None = None) -> bytes:
    """Return the text for files and their digests, sorted by name (man sha256sum).

    Args:
        digests: SHA-256 by file name.
        best_before: the day with which the list begins to be out of date; None for no such day.

    """
    listed = dict(digests)
    if best_before is not None:
        listed[f"{_BEST_BEFORE}{best_before.isoformat()}"] = _EMPTY
    return "".join(f"{listed[name]}  {name}\n" for name in sorted(listed)).encode()


def decode(data: bytes) -> dict[str, str]:
    """Return the digests that a list names, by file.

    Raises:
        ValueError: a line is no digest and plain name, or a name stands there twice.

    """
    listed = _entries(data)
    return {name: listed[name] for name in listed if not name.startswith(_BEST_BEFORE)}


def best_before(data: bytes) -> date | None:
    """Return the first day on which a list is out of date; None if it names none.

    Raises:
        ValueError: it is no list, or names something that is no day.

    """
    marks = [name for name in _entries(data) if name.startswith(_BEST_BEFORE)]
    days = (date.fromisoformat(mark.removeprefix(_BEST_BEFORE)) for mark in marks)
    return min(days, default=None)


def _entries(data: bytes) -> dict[str, str]:
    digests: dict[str, str] = {}
    for number, line in enumerate(data.decode("ascii").splitlines(), 1):
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError(f"line {number} is no SHA-256 and file name: {line[:100]!r}")
        if found["name"] in digests:
            raise ValueError(f"line {number} names {found['name']} again")
        digests[found["name"]] = found["digest"]
    return digests
