"""The header blocks of tar: ustar and pax (POSIX.1-2017, pax(1)), and GNU's (tar.h of GNU tar).

A rule that is broken raises ValueError; its text says which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 512
LONGEST = 1 << 20  # bytes of an extended header or of a sparse file's map

_CHECKSUM = slice(148, 156)
_OCTAL = re.compile(rb" *([0-7]*) *")
_RECORD = re.compile(rb"([1-9][0-9]{0,6}) ")
_SPARSE_PAIR = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")

Segment = tuple[int, int]  # offset and length of a part of a sparse file that is no hole


@dataclass(frozen=True)
class Header:
    """One header block.

    Attributes:
        name: path, with ustar's prefix.
        kind: the type flag.
        mode: permission bits.
        size: bytes that follow, without the padding.
        target: where a hard or symbolic link points.
        block: the block itself.

    """

    name: bytes
    kind: bytes
    mode: int
    size: int
    target: bytes
    block: bytes


def parse(block: bytes) -> Header:
    """Return what a header block says."""
    spaces = b" " * 8
    if sum(block) - sum(block[_CHECKSUM]) + sum(spaces) != number(block[_CHECKSUM]):
        raise ValueError("a header's checksum is wrong")
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = prefix + b"/" + name
    return Header(
        name=name,
        kind=block[156:157],
        mode=number(block[100:108]),
        size=number(block[124:136]),
        target=_text(block[157:257]),
        block=block,
    )


def number(field: bytes) -> int:
    """Return a number written in octal digits, or in base 256 where the first bit is set."""
    if field[0] & 0x80:
        if field[0] & 0x40:
            raise ValueError("a header has a negative number")
        return int.from_bytes(field) - (0x80 << 8 * (len(field) - 1))
    digits = _OCTAL.fullmatch(_text(field))
    if digits is None:
        raise ValueError("a header has a number that is not octal")
    return int(digits[1] or b"0", 8)


def records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a pax header: `LENGTH KEY=VALUE` and a line feed, each."""
    start = 0
    while start < len(data):
        length = _RECORD.match(data, start)
        end = start + int(length[1]) if length else 0
        key, equals, value = data[length.end() if length else 0 : end].partition(b"=")
        if not key or not equals or end > len(data) or not value.endswith(b"\n"):
            raise ValueError("a pax header has a malformed record")
        yield key, value[:-1]
        start = end


def merge(pairs: Iterator[tuple[bytes, bytes]], into: dict[bytes, bytes]) -> None:
    """Add records to those known; the pairs of GNU's sparse format 0.0 become 0.1's one list."""
    listed: list[bytes] = []
    for key, value in pairs:
        if key in _SPARSE_PAIR:
            listed.append(value)
        else:
            into[key] = value
    if listed:
        into[b"GNU.sparse.map"] = b",".join(listed)


def decimal(text: bytes) -> int:
    """Return the number that a pax record has."""
    if not text.isdigit() or len(text) > 20:  # noqa: PLR2004  2**64 has 20 digits
        raise ValueError("a pax header has a number that is not decimal")
    return int(text)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]
