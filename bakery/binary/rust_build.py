"""What cargo-auditable writes into a Rust binary: every crate that is in it.

The format is told by the project's PARSING.md: a section `.dep-v0` holds JSON, compressed by zlib.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

import msgspec

from bakery.binary import headers
from bakery.decoding import from_json

_SECTION = ".dep-v0"
_LARGEST = 8 << 20  # bytes of JSON; a thousand crates take a tenth of a megabyte


class Crate(msgspec.Struct, frozen=True, kw_only=True):
    """A crate that is linked into a binary.

    Attributes:
        name: what it is called.
        version: its semantic version.
        source: the registry that it came from, `git`, or `local` for the project's own.

    """

    name: str
    version: str
    source: str


class _Package(Crate, frozen=True, kw_only=True):
    kind: str = "runtime"


class _Dependencies(msgspec.Struct, frozen=True):
    packages: list[_Package]


def read(stream: BinaryIO) -> tuple[Crate, ...]:
    """Return the crates that an ELF file names; none if it names none, or is damaged.

    Args:
        stream: the file, at any position; must be seekable.

    """
    try:
        section = headers.section(stream, _SECTION)
        if section is None:
            return ()
        listed = _decode(section.data())
    except Exception:  # noqa: BLE001  whatever a damaged binary provokes, it names nothing
        return ()
    return tuple(
        Crate(name=each.name, version=each.version, source=each.source)
        for each in listed.packages
        if each.kind == "runtime"
    )


def _decode(data: bytes) -> _Dependencies:
    text = zlib.decompressobj().decompress(data, _LARGEST)
    return from_json(text, _Dependencies)
