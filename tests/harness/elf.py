"""The smallest program there is: it ends at once, and is glad about it."""

from __future__ import annotations

import struct

_BASE = 0x400000
_HEADER, _SEGMENT = 64, 56
_PT_LOAD, _PT_GNU_STACK = 1, 0x6474E551
_READABLE, _WRITABLE, _EXECUTABLE = 4, 2, 1
_MACHINES = {  # number: elf(5); code: exit(0), by the numbers of syscall(2)
    "x86-64": (62, bytes.fromhex("b83c000000 31ff 0f05")),
    "arm64": (183, bytes.fromhex("a80b8052 000080d2 010000d4")),
}


def program(arch: str, label: str = "") -> bytes:
    """Return a static program for an architecture, as elf(5) has it.

    Args:
        arch: `x86-64` or `arm64`.
        label: a text to carry, so that programs differ.

    """
    machine, code = _MACHINES[arch]
    start = _HEADER + 2 * _SEGMENT
    content = code + label.encode() + b"\0"
    size = start + len(content)
    header = struct.pack(
        "<4s5B7xHHIQQQIHHHHHH",
        *(b"\x7fELF", 2, 1, 1, 0, 0),  # 64 bits, little-endian, version 1, System V
        *(2, machine, 1),  # an executable
        *(_BASE + start, _HEADER, 0, 0),
        *(_HEADER, _SEGMENT, 2, 0, 0, 0),
    )
    return header + _segment(_PT_LOAD, _READABLE | _EXECUTABLE, size) + _stack() + content


def _segment(kind: int, flags: int, size: int) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, flags, 0, _BASE, _BASE, size, size, 0x1000)


def _stack() -> bytes:
    return struct.pack("<IIQQQQQQ", _PT_GNU_STACK, _READABLE | _WRITABLE, 0, 0, 0, 0, 0, 16)
