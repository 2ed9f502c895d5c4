"""What Go's linker writes into a binary: the compiler, and every module that is in it.

The format is told by the documentation and the source of Go's package debug/buildinfo: 16 bytes
that begin with a magic number, then, from Go 1.18 on, two texts with their lengths at byte 32;
before, the addresses of two of Go's strings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from bakery.binary.headers import PT_LOAD, ElfError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.binary.headers import ElfFile

_MAGIC = b"\xff Go buildinf:"
_ALIGNED = 16
_SEARCHED = 1 << 20  # bytes of a data segment, where a binary has no list of sections
_INLINE = 0x2
_BIG_ENDIAN = 0x1
_TEXTS_AT = 32
_SENTINEL = 16  # bytes before and behind the list of modules
_LONGEST = 1 << 22  # bytes; a list of modules has a few thousand
_PF_W = 0x2


class GoModule(msgspec.Struct, frozen=True):
    """A module and its version; `(devel)` where the linker did not know it."""

    path: str
    version: str


class GoBuild(msgspec.Struct, frozen=True, kw_only=True):
    """How a binary came about.

    Attributes:
        go: the compiler's version, such as `go1.22.5`.
        main: the module that the program belongs to; None where the linker did not know.
        modules: those linked into it, replacements in the place of what they replace.

    """

    go: str
    main: GoModule | None = None
    modules: tuple[GoModule, ...] = ()


def read(file: ElfFile) -> GoBuild | None:
    """Return what Go's linker wrote into a file; None if it is not Go's, or says nothing."""
    try:
        texts = _texts(file)
    except (ElfError, ValueError):  # a damaged binary says nothing
        return None
    if texts is None or not texts[0]:
        return None
    modules = list(_lines(texts[1]))
    main = next((module for word, module in modules if word == "mod"), None)
    linked = tuple(module for word, module in modules if word == "dep")
    return GoBuild(go=texts[0], main=main, modules=linked)


def _memory(file: ElfFile, address: int, count: int) -> bytes:
    """Return what lies at an address when the binary runs, and is in the file."""
    if count > _LONGEST:
        raise ValueError("a text of absurd length")
    offset, size = file.place(address)
    return file.read(offset, min(count, size))


def _info(file: ElfFile) -> int | None:
    """Return the address of the build information."""
    section = file.section(".go.buildinfo")
    if section is not None:
        start = section.address
    else:
        parts = (each for each in file.segments if each.type == PT_LOAD and each.flags & _PF_W)
        data = next(parts, None)
        if data is None:
            return None
        start = data.address
    searched = _memory(file, start, _SEARCHED)
    at = searched.find(_MAGIC)
    while at >= 0 and at % _ALIGNED:
        at = searched.find(_MAGIC, at + 1)
    return None if at < 0 else start + at


def _texts(file: ElfFile) -> tuple[str, str] | None:
    info = _info(file)
    if info is None:
        return None
    size, flags = _memory(file, info, _ALIGNED)[len(_MAGIC) :]
    if flags & _INLINE:
        version, behind = _inline(file, info + _TEXTS_AT)
        modules, _ = _inline(file, behind)
    else:
        order: Literal["big", "little"] = "big" if flags & _BIG_ENDIAN else "little"
        version = _string(file, _memory(file, info + _ALIGNED, size), order)
        modules = _string(file, _memory(file, info + _ALIGNED + size, size), order)
    return version.decode(), modules[_SENTINEL:-_SENTINEL].decode()


def _inline(file: ElfFile, address: int) -> tuple[bytes, int]:
    """Return the text at an address, behind its length as a varint, and the address behind it."""
    length = 0
    for shift in range(0, 64, 7):
        (byte,) = _memory(file, address, 1)
        address += 1
        length |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return _memory(file, address, length) if length else b"", address + length
    raise ValueError("a length without an end")


def _string(file: ElfFile, pointer: bytes, order: Literal["big", "little"]) -> bytes:
    """Return the text that a pointer to one of Go's strings leads to: an address, a length."""
    address = int.from_bytes(pointer, order)
    if address == 0:
        return b""
    size = len(pointer)
    header = _memory(file, address, 2 * size)
    length = int.from_bytes(header[size:], order)
    return _memory(file, int.from_bytes(header[:size], order), length) if length else b""


def _lines(text: str) -> Iterator[tuple[str, GoModule]]:
    """Yield the modules with the word before them; a `=>` replaces the line above it."""
    held: tuple[str, GoModule] | None = None
    for line in text.splitlines():
        word, *fields = line.split("\t")
        if word not in {"mod", "dep", "=>"} or not fields:
            continue
        module = GoModule(fields[0], fields[1] if len(fields) > 1 else "")
        if word == "=>" and held:
            held = (held[0], module)
            continue
        if held:
            yield held
        held = (word, module)
    if held:
        yield held
