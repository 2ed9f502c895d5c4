"""Debian packages: an ar archive whose `data.tar` holds the files; see deb(5)."""

from __future__ import annotations

import re
from contextlib import closing, suppress
from io import BufferedReader
from typing import TYPE_CHECKING, BinaryIO

from bakery.archive import tar
from bakery.archive.compression import Packed
from bakery.archive.guard import Guard
from bakery.archive.model import Limits
from bakery.errors import BakeryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bakery.archive.model import Members

_MAGIC = b"!<arch>\n"
_HEADER = re.compile(rb"(.{16}).{32}([0-9]+) *`\n", re.DOTALL)
_HEADER_SIZE = 60
_LONGEST = 16 << 20  # bytes of a file about a package
_CAPABILITIES = re.compile(rb"\bcap_[a-z_]+(?:,cap_[a-z_]+)*[=+][eip]+\b")


def members(guard: Guard) -> Members:
    """Yield the wanted members of a package; absolute targets of links start at the tree's root.

    Raises:
        HostileArchiveError: a wanted member means harm.
        BrokenArchiveError: the package is damaged.

    """
    start, size = _part(guard, b"data.tar")
    yield from tar.members(Packed(guard, start, size), guard, rooted=True)


def control(
    package: Path, wanted: Callable[[str], bool] = lambda _: True
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of the wanted files that a package says of itself.

    Of a file that is longer than any should be, it is the beginning.

    Raises:
        HostileArchiveError: a wanted file means harm.
        BrokenArchiveError: it is no package, or a damaged one.

    """
    guard = Guard(package, package.name, Limits(), wanted)
    start, size = _part(guard, b"control.tar")
    with closing(tar.members(Packed(guard, start, size), guard)) as unpacked:
        for member, stream in unpacked:
            if stream is not None:
                with stream:
                    yield member.path, stream.read(_LONGEST)


def granted(package: Path) -> list[str]:
    """Return the capabilities that a package's postinst gives to programs by setcap(8).

    None where its scripts can't be read: nothing of them is wanted.
    """
    with suppress(BakeryError):
        for _, script in control(package, lambda path: path == "postinst"):
            if b"setcap" in script:
                return sorted({text.decode() for text in _CAPABILITIES.findall(script)})
    return []


def _part(guard: Guard, name: bytes) -> tuple[int, int]:
    """Return where an archive in the package starts, and its length, in bytes."""
    with BufferedReader(guard.open()) as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise guard.broken("it does not start as an ar archive does")
        parts = list(_parts(file, guard))
        if [each for each, _, _ in parts[:1]] != [b"debian-binary"]:
            raise guard.broken("it does not start with debian-binary, as packages do")
        file.seek(parts[0][1])
        if file.read(2) != b"2.":
            raise guard.broken("it is not of version 2 of the format")
    found = [(start, size) for each, start, size in parts if each.startswith(name)]
    if len(found) != 1:
        raise guard.broken(f"it has {len(found)} {name.decode()}, not one")
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
