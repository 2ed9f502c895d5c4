"""Debian packages: an ar archive whose `data.tar` holds the files; see deb(5)."""

from __future__ import annotations

import re
from io import BufferedReader
from typing import TYPE_CHECKING, BinaryIO

from bakery.archive import tar
from bakery.archive.compression import Packed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.archive.guard import Guard
    from bakery.archive.model import Members

_MAGIC = b"!<arch>\n"
_HEADER = re.compile(rb"(.{16}).{32}([0-9]+) *`\n", re.DOTALL)
_HEADER_SIZE = 60


def members(guard: Guard) -> Members:
    """Yield the wanted members of a package; absolute targets of links start at the tree's root.

    Raises:
        HostileArchiveError: a wanted member means harm.
        BrokenArchiveError: the package is damaged.

    """
    start, size = _data(guard)
    yield from tar.members(Packed(guard, start, size), guard, rooted=True)


def _data(guard: Guard) -> tuple[int, int]:
    """Return where the archive of the package's files starts, and its length, in bytes."""
    with BufferedReader(guard.open()) as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise guard.broken("it does not start as an ar archive does")
        parts = list(_parts(file, guard))
        names = [name for name, _, _ in parts]
        if names[:1] != [b"debian-binary"]:
            raise guard.broken("it does not start with debian-binary, as packages do")
        file.seek(parts[0][1])
        if file.read(2) != b"2.":
            raise guard.broken("it is not of version 2 of the format")
    data = [(start, size) for name, start, size in parts if name.startswith(b"data.tar")]
    if len(data) != 1:
        raise guard.broken(f"it has {len(data)} data.tar, not one")
    return data[0]


def _parts(file: BinaryIO, guard: Guard) -> Iterator[tuple[bytes, int, int]]:
    end = guard.archive.stat().st_size
    while header := file.read(_HEADER_SIZE):
        fields = _HEADER.fullmatch(header)
        if fields is None:
            raise guard.broken("a header of its ar archive is malformed")
        start, size = file.tell(), int(fields[2])
        if start + size > end:
            raise guard.broken("it ends too early")
        yield fields[1].rstrip(b" ").removesuffix(b"/"), start, size
        file.seek(start + size + size % 2)
