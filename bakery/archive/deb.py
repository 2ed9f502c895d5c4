"""Debian packages: an ar archive whose `data.tar` holds the files; see deb(5)."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from bakery.archive import tar
from bakery.archive.compression import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bakery.archive.guard import Guard
    from bakery.archive.model import Members

_MAGIC = b"!<arch>\n"
_HEADER = re.compile(rb"(.{16}).{32}([0-9]+) *`\n", re.DOTALL)
_HEADER_SIZE = 60


def members(wanted: Callable[[str], bool], guard: Guard) -> Members:
    """Yield the wanted members of a package; absolute targets of links start at the tree's root.

    Raises:
        HostileArchiveError: a member means harm.
        BrokenArchiveError: the package is damaged.

    """
    start, size = _data(guard)
    data = partial(unpacked, guard, start=start, size=size)
    yield from tar.members(data, wanted, guard, rooted=True)


def _data(guard: Guard) -> tuple[int, int]:
    """Return where the archive of the package's files starts, and its length, in bytes."""
    with guard.archive.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise guard.broken("it does not start as an ar archive does")
        parts = list(_parts(file, guard))
        names = [name for name, _, _ in parts]
        if names[:1] != [b"debian-binary"]:
            raise guard.broken("it does not start with debian-binary, as packages do")
        file.seek(parts[0][1])
        if file.read(2) != b"2.":
            raise guard.broken("it is not of version 2 of the format")
    found = [(start, size) for name, start, size in parts if name.startswith(b"data.tar")]
    if len(found) != 1:
        raise guard.broken(f"it has {len(found)} data.tar, not one")
    return found[0]


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
