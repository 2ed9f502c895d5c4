"""Checksum files as upstreams publish them, in all their dialects.

`HASH  NAME` and `HASH *NAME` (man sha256sum), `SHA256 (NAME) = HASH` (BSD's tools), a digest alone,
and JSON that maps names to digests.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from bakery.errors import BakeryError

if TYPE_CHECKING:
    from collections.abc import Iterator

_EMPTY = hashlib.sha256(b"").hexdigest()
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")
_GNU = re.compile(r"\\?([0-9a-fA-F]{64})[ \t]+[ *]?(\S.*)")
_BSD = re.compile(r"SHA2?-?256 ?\((.+)\) ?= ?([0-9a-fA-F]{64})", re.IGNORECASE)


class ChecksumError(BakeryError):
    """A checksum file does not say what an asset's digest is."""


def digest_of(filename: str, text: str, where: str) -> str:
    """Return the SHA-256 that a checksum file gives for a file.

    Args:
        filename: the asset's name, without folders.
        text: the checksum file.
        where: its address, for messages.

    Raises:
        ChecksumError: it gives none, several that differ, or that of an empty file.

    """
    found = {digest for name, digest in _entries(text) if name in (None, filename)}
    if len(found) != 1 or _EMPTY in found:
        reason = "it names several digests for it" if found else "it does not name it"
        if found == {_EMPTY}:
            reason = "it gives the digest of an empty file"
        raise ChecksumError(
            f"upstream's checksum file does not tell the digest of {filename}",
            where=where,
            why=f"{reason}; it begins with {text[:80]!r}",
            fix="look at the file, and correct the recipe's checksum:",
        )
    return found.pop()


def _entries(text: str) -> Iterator[tuple[str | None, str]]:
    alone = _DIGEST.fullmatch(text.strip())
    if alone:
        yield None, alone[1].lower()
        return
    if text.lstrip().startswith(("{", "[")):
        try:
            yield from _json_entries(json.loads(text))
        except (ValueError, RecursionError):
            return
        return
    for line in text.splitlines():
        if gnu := _GNU.fullmatch(line.strip()):
            yield _base(gnu[2]), gnu[1].lower()
        elif bsd := _BSD.fullmatch(line.strip()):
            yield _base(bsd[1]), bsd[2].lower()


def _json_entries(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _json_entries(item)
    elif isinstance(value, dict):
        name = next((value[key] for key in ("name", "filename", "file") if key in value), None)
        for key, item in value.items():
            digest = _DIGEST.fullmatch(item) if isinstance(item, str) else None
            if digest:
                named = name if key in {"sha256", "digest", "checksum", "hash"} else key
                yield _base(str(named)), digest[1].lower()
            else:
                yield from _json_entries(item)


def _base(name: str) -> str:
    return name.strip().replace("\\", "/").rpartition("/")[2]
