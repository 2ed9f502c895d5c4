"""SHA256SUMS, as `sha256sum --check` and systemd-sysupdate read it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "SHA256SUMS"
SIGNATURE = f"{FILE}.gpg"
ARMORED = f"{FILE}.asc"

NAME = "[A-Za-z0-9][A-Za-z0-9._+@:~-]*"
"""What a file of a release may be called."""

_LINE = re.compile(rf"(?P<digest>[0-9a-f]{{64}}) [ *](?P<name>{NAME})")


def encode(digests: Mapping[str, str]) -> bytes:
    """Return the text for files and their digests, sorted by name (man sha256sum)."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def decode(data: bytes) -> dict[str, str]:
    """Return the digests that a list names, by file.

    Raises:
        ValueError: a line is no digest and plain name, or a name stands there twice.

    """
    digests: dict[str, str] = {}
    for number, line in enumerate(data.decode("ascii").splitlines(), 1):
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError(f"line {number} is no SHA-256 and file name: {line[:100]!r}")
        if found["name"] in digests:
            raise ValueError(f"line {number} names {found['name']} again")
        digests[found["name"]] = found["digest"]
    return digests
