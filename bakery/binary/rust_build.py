"""What cargo-auditable writes into a Rust binary: every crate that is in it.

The format is told by the project's PARSING.md: a section `.dep-v0` holds JSON, compressed by zlib.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import msgspec

from bakery.binary.headers import ElfError
from bakery.decoding import from_json

if TYPE_CHECKING:
    from bakery.binary.headers import ElfFile

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


def read(file: ElfFile) -> tuple[Crate, ...]:
    """Return the crates that a file names; none if it names none, or is damaged."""
    try:
        section = file.section(_SECTION)
        if section is None:
            return ()
        packed = file.read(section.offset, min(section.size, _LARGEST))
        text = zlib.decompressobj().decompress(packed, _LARGEST)
        listed = from_json(text, _Dependencies)
    except (ElfError, zlib.error, ValueError, msgspec.DecodeError):  # it is damaged
        return ()
    return tuple(
        Crate(name=each.name, version=each.version, source=each.source)
        for each in listed.packages
        if each.kind == "runtime"
    )
