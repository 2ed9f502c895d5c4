"""What Go's linker writes into a binary: the compiler, and every module that is in it.

The format is told by the documentation and the source of Go's package debug/buildinfo: 16 bytes
that begin with a magic number, then, from Go 1.18 on, two texts with their lengths at byte 32;
before, the addresses of two of Go's strings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from bakery.binary import headers

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"\xff Go buildinf:"
_ALIGNED = 16
_SEARCHED = 1 << 20  # bytes of a data segment, where a binary has no list of sections
_INLINE = 0x2
_BIG_ENDIAN = 0x1
_TEXTS_AT = 32
_SENTINEL = 16  # bytes before and behind the list of modules
_LONGEST = 1 << 22  # bytes; a list of modules has a few thousand
_WRITABLE_DATA = 0x2


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


def read(stream: BinaryIO) -> GoBuild | None:
    """Return what Go's linker wrote into an ELF file; None if it is not Go's, or says nothing.

    Args:
        stream: the file, at any position; must be seekable.

    """
    try:
        memory = _Memory(stream)
        texts = _texts(memory)
    except Exception:  # noqa: BLE001  whatever a damaged binary provokes, it says nothing
        return None
    if texts is None or not texts[0]:
        return None
    main, modules = _modules(texts[1])
    return GoBuild(go=texts[0], main=main, modules=modules)


class _Memory:
    """A binary as it is laid out when it runs."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        elf = headers.segments(stream)
        self._loaded = [segment.header for segment in elf.iter_segments("PT_LOAD")]

    def read(self, address: int, count: int) -> bytes:
        if not 0 <= count <= _LONGEST:
            raise ValueError("a text of absurd length")
        for header in self._loaded:
            inside = address - header.p_vaddr
            if 0 <= inside < header.p_filesz:
                self._stream.seek(header.p_offset + inside)
                return self._stream.read(min(count, header.p_filesz - inside))
        raise ValueError("an address outside of the file")

    def info(self) -> int | None:
        """Return the address of the build information."""
        section = headers.section(self._stream, ".go.buildinfo")
        if section is not None:
            start = section.header.sh_addr
        else:
            data = (h.p_vaddr for h in self._loaded if h.p_flags & _WRITABLE_DATA)
            start = next(data, None)
        if start is None:
            return None
        searched = self.read(start, _SEARCHED)
        at = searched.find(_MAGIC)
        while at >= 0 and at % _ALIGNED:
            at = searched.find(_MAGIC, at + 1)
        return None if at < 0 else int(start) + at


def _texts(memory: _Memory) -> tuple[str, str] | None:
    info = memory.info()
    if info is None:
        return None
    size, flags = memory.read(info, _ALIGNED)[len(_MAGIC) :]
    if flags & _INLINE:
        version, behind = _inline(memory, info + _TEXTS_AT)
        modules, _ = _inline(memory, behind)
    else:
        order = "big" if flags & _BIG_ENDIAN else "little"
        version = _string(memory, memory.read(info + _ALIGNED, size), order)
        modules = _string(memory, memory.read(info + _ALIGNED + size, size), order)
    return version.decode(), modules[_SENTINEL:-_SENTINEL].decode()


def _inline(memory: _Memory, address: int) -> tuple[bytes, int]:
    """Return the text at an address, behind its length as a varint, and the address behind it."""
    length = 0
    for shift in range(0, 64, 7):
        (byte,) = memory.read(address, 1)
        address += 1
        length |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return memory.read(address, length) if length else b"", address + length
    raise ValueError("a length without an end")


def _string(memory: _Memory, pointer: bytes, order: Any) -> bytes:
    """Return the text that a pointer to one of Go's strings leads to: an address, a length."""
    address = int.from_bytes(pointer, order)
    if address == 0:
        return b""
    size = len(pointer)
    header = memory.read(address, 2 * size)
    length = int.from_bytes(header[size:], order)
    return memory.read(int.from_bytes(header[:size], order), length) if length else b""


def _modules(text: str) -> tuple[GoModule | None, tuple[GoModule, ...]]:
    modules = list(_lines(text))
    main = next((module for word, module in modules if word == "mod"), None)
    return main, tuple(module for word, module in modules if word == "dep")


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
