"""What an archive gives: its members, within limits, or an error that names what is wrong."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from bakery.errors import BakeryError

MemberType = Literal["file", "directory", "link"]
Chunk = bytes | memoryview


@dataclass(frozen=True, kw_only=True)
class Member:
    """One path of an archive.

    Attributes:
        path: relative, with forward slashes, without `.` and `..`.
        type: what stands there; a hard link counts as the file that it shares.
        executable: whether the archive, or the rules of its format, make it a program; of a file
            that was published alone, whether it begins like one.
        size: bytes of a file, 0 for everything else; None where only the end of the data tells.
        privileges: rights beyond its user's that the archive gives a program, for people: its mode
            with setuid or setgid, its capabilities.
        target: where a symbolic link points, verbatim.

    """

    path: str
    type: MemberType
    executable: bool = False
    size: int | None = 0
    target: str | None = None
    privileges: str | None = None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much an archive may hold before it is taken for a bomb.

    Attributes:
        total: bytes of all its files together, declared or delivered.
        ratio: that total, divided by the archive's own size.
        free: bytes below which the ratio doesn't matter.
        members: paths, implied folders included.

    """

    total: int = 16 << 30
    ratio: int = 500
    free: int = 64 << 20
    members: int = 500_000


Members = Generator[tuple[Member, BinaryIO | None], None, None]


class HostileArchiveError(BakeryError):
    """An archive has something in it that no honest publisher packs."""


class BrokenArchiveError(BakeryError):
    """An archive is cut short, altered, or not of the format that it should be."""
