"""ELF files that hold headers and nothing to run, for rules and parsers that read these."""

from __future__ import annotations

import struct

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_GNU_STACK, PT_GNU_RELRO = (
    1,
    2,
    3,
    4,
    0x6474E551,
    0x6474E552,
)
ET_EXEC, ET_DYN = 2, 3
DT_NULL, DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_SONAME, DT_RPATH, DT_TEXTREL, DT_RUNPATH = (
    0,
    1,
    5,
    10,
    14,
    15,
    22,
    29,
)
DT_FLAGS_1, DF_1_PIE = 0x6FFFFFFB, 0x08000000
MACHINES = {"x86-64": 62, "arm64": 183}


def make_elf(
    *,
    machine: str = "x86-64",
    interpreter: str | None = None,
    needed: tuple[str, ...] = (),
    runpath: str | None = None,
    rpath: str | None = None,
    soname: str | None = None,
    pie: bool = True,
    library: bool = False,
    relro: bool = True,
    execstack: bool = False,
    textrel: bool = False,
    go: bool = False,
) -> bytes:
    """A 64-bit little-endian ELF file that holds headers and a dynamic table, and no code."""
    strings = b"\0"

    def name(text: str) -> int:
        nonlocal strings
        strings += text.encode() + b"\0"
        return len(strings) - len(text) - 1

    tags = [(DT_NEEDED, name(library_name)) for library_name in needed]
    tags += [
        (tag, name(text))
        for tag, text in ((DT_RUNPATH, runpath), (DT_RPATH, rpath), (DT_SONAME, soname))
        if text
    ]
    tags += [(DT_TEXTREL, 0)] if textrel else []
    tags += [(DT_FLAGS_1, DF_1_PIE)] if pie and not library else []
    dynamic = bool(tags)
    kinds = [PT_LOAD, PT_GNU_STACK]
    kinds += [PT_INTERP] if interpreter else []
    kinds += [PT_DYNAMIC] if dynamic else []
    kinds += [PT_GNU_RELRO] if relro else []
    kinds += [PT_NOTE] if go else []
    start = 64 + 56 * len(kinds)
    path = (interpreter.encode() + b"\0") if interpreter else b""
    tags += [(DT_STRTAB, start + len(path)), (DT_STRSZ, len(strings)), (DT_NULL, 0)]
    table = b"".join(struct.pack("<QQ", *tag) for tag in tags) if dynamic else b""
    note = struct.pack("<III4s", 4, 4, 4, b"Go\0\0") + b"demo" if go else b""
    body = path + strings + table + note
    spans = {
        PT_LOAD: (0, start + len(body)),
        PT_INTERP: (start, len(path)),
        PT_NOTE: (start + len(path) + len(strings) + len(table), len(note)),
        PT_DYNAMIC: (start + len(path) + len(strings), len(table)),
    }
    headers = b""
    for kind in kinds:
        offset, size = spans.get(kind, (0, 0))
        flags = 4 | (1 if kind == PT_GNU_STACK and execstack else 0)
        headers += struct.pack("<IIQQQQQQ", kind, flags, offset, offset, offset, size, size, 1)
    elf_type = ET_DYN if pie or library else ET_EXEC
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    rest = (elf_type, MACHINES[machine], 1, 0, 64, 0, 0, 64, 56, len(kinds), 0, 0, 0)
    return ident + struct.pack("<HHIQQQIHHHHHH", *rest) + headers + body
