"""ELF files, read no further than is asked: segments, and sections by their names.

The layouts are those of elf(5). A damaged file may name any place and any size, so that every read
is checked and has a limit.
"""

from __future__ import annotations

import os
import struct
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

from bakery.errors import BakeryError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"\x7fELF"
PT_LOAD = 1

_IDENTIFICATION = 16  # bytes that all layouts share
_TEXT, _LONGEST_TEXT = 1 << 8, 1 << 14  # bytes; the longest are lists of folders
_MOST_NAMES = 1 << 20  # bytes of sections' names; a program's take a few hundred


class ElfError(BakeryError):
    """A file begins like an ELF file and is none."""


def damaged(why: str) -> ElfError:
    """Return the error that tells what is wrong with a file."""
    return ElfError("is not a complete ELF file", why=why)


class Segment(NamedTuple):
    """A part of a file, for the kernel or the loader."""

    type: int
    flags: int
    offset: int
    address: int
    size: int


class Section(NamedTuple):
    """A part of a file, as the linker made it."""

    address: int
    offset: int
    size: int


class _Layout:
    def __init__(self, bits: Literal[32, 64], order: Literal["little", "big"]) -> None:
        self.bits, self.order = bits, order
        sign, wide = "<" if order == "little" else ">", bits == 64  # noqa: PLR2004  bits
        self.header = struct.Struct(sign + ("16xHH12xQQ6x5H" if wide else "16xHH8xII6x5H"))
        self.segment = struct.Struct(sign + ("2I2Q8xQ16x" if wide else "3I4xI4xI4x"))
        self.section = struct.Struct(sign + ("I12x3Q24x" if wide else "I8x3I16x"))
        self.tag = struct.Struct(sign + ("2Q" if wide else "2I"))

    def segments(self, data: bytes) -> Iterator[Segment]:
        for kind, *rest in self.segment.iter_unpack(data):
            flags = rest.pop(0 if self.bits == 64 else -1)  # noqa: PLR2004  bits
            yield Segment(kind, flags, *rest)


_LAYOUTS = {  # by the file's class and its encoding of data
    b"\1\1": _Layout(32, "little"),
    b"\1\2": _Layout(32, "big"),
    b"\2\1": _Layout(64, "little"),
    b"\2\2": _Layout(64, "big"),
}


class ElfFile:
    """An ELF file, open for reading.

    Attributes:
        type: what it is, `e_type`.
        machine: for which processors, `e_machine`.
        layout: how its numbers are written.
        segments: what its program headers list.

    """

    def __init__(self, stream: BinaryIO) -> None:
        """Read the headers.

        Args:
            stream: the file, at any position; must be seekable.

        Raises:
            ElfError: it is none, or its headers are cut off or damaged.

        """
        self._stream = stream
        self._size = stream.seek(0, os.SEEK_END)
        start = self.read(0, _IDENTIFICATION)
        layout = _LAYOUTS.get(start[4:6])
        if layout is None or not start.startswith(MAGIC):
            raise damaged("it does not begin like one")
        self.layout = layout
        header = layout.header.unpack(self.read(0, layout.header.size))
        self.type, self.machine, segments, self._table, *sizes = header
        step, count, section_step, self._sections, self._names = sizes
        if section_step != layout.section.size:
            self._sections = 0
        if count and step != layout.segment.size:
            raise damaged("its program headers have an unknown size")
        self.segments = tuple(layout.segments(self.read(segments, count * step)))

    @property
    def missing(self) -> int:
        """How many bytes of what is loaded are missing at the end."""
        ends = (part.offset + part.size for part in self.segments if part.type == PT_LOAD)
        return max(0, max(ends, default=0) - self._size)

    def read(self, offset: int, size: int) -> bytes:
        """Return a part of the file.

        Raises:
            ElfError: it ends before.

        """
        data = self.read_some(offset, size)
        if len(data) < size:
            raise damaged(f"it ends before byte {offset + size}")
        return data

    def read_some(self, offset: int, size: int) -> bytes:
        """Return a part of the file, less where it ends before."""
        if offset >= self._size:
            return b""
        self._stream.seek(offset)
        return self._stream.read(min(size, self._size - offset))

    def text(self, offset: int) -> str:
        """Return the text at an offset, up to a zero.

        Raises:
            ElfError: it is longer than any, or is not UTF-8.

        """
        for size in (_TEXT, _LONGEST_TEXT):
            text, end, _ = self.read_some(offset, size).partition(b"\0")
            if end:
                try:
                    return text.decode()
                except UnicodeDecodeError as error:
                    raise damaged(f"a name in it is not UTF-8: {error}") from None
        raise damaged(f"the name at byte {offset} has no end")

    def place(self, address: int) -> tuple[int, int]:
        """Return the offset of an address in memory, and how much of its segment is from there on.

        Raises:
            ElfError: the file has nothing for that address.

        """
        for part in self.segments:
            inside = address - part.address
            if part.type == PT_LOAD and 0 <= inside < part.size:
                return part.offset + inside, part.size - inside
        raise damaged(f"address {address:#x} lies outside of it")

    def section(self, name: str) -> Section | None:
        """Return the first section of a name; None where there is none.

        Raises:
            ElfError: the list of sections is cut off.

        """
        table, names = self._section_table
        wanted = name.encode() + b"\0"
        for at, *place in self.layout.section.iter_unpack(table):
            if names.startswith(wanted, at):
                return Section(*place)
        return None

    @cached_property
    def _section_table(self) -> tuple[bytes, bytes]:
        """The section headers, and their names."""
        layout = self.layout.section
        if self._names >= self._sections:
            return b"", b""
        table = self.read(self._table, self._sections * layout.size)
        _, _, offset, size = layout.unpack_from(table, self._names * layout.size)
        return table, self.read_some(offset, min(size, _MOST_NAMES))
