"""The smallest programs there are: they end at once, and say that all is well."""

from __future__ import annotations

import struct

_BASE = 0x400000
_HEADER, _SEGMENT = 64, 56
_PT_LOAD, _PT_INTERP, _PT_GNU_STACK = 1, 3, 0x6474E551
_MACHINES = {  # number: elf(5); code: exit(0), by the numbers of syscall(2); loader: glibc's
    "x86-64": (62, "b83c000000 31ff 0f05", b"/lib64/ld-linux-x86-64.so.2\0"),
    "arm64": (183, "a80b8052 000080d2 010000d4", b"/lib/ld-linux-aarch64.so.1\0"),
    "riscv64": (243, "9308d005 13050000 73000000", b"/lib/ld-linux-riscv64-lp64d.so.1\0"),
}


def program(
    machine: str, label: str = "", *, dynamic: bool = False, loader: str | None = None
) -> bytes:
    """Return a program, as elf(5) has it.

    Args:
        machine: `x86-64`, `arm64` or `riscv64`.
        label: a text to carry, so that programs differ.
        dynamic: let it ask for a loader.
        loader: which one; None for glibc's.

    """
    number, code, glibcs = _MACHINES[machine]
    asked = glibcs if loader is None else loader.encode() + b"\0"
    start = _HEADER + 3 * _SEGMENT
    content = asked + bytes.fromhex(code) + label.encode() + b"\0"
    header = struct.pack(
        "<4s5B7xHHIQQQIHHHHHH",
        *(b"\x7fELF", 2, 1, 1, 0, 0),  # 64 bits, little-endian, version 1, System V
        *(2, number, 1),  # an executable
        *(_BASE + start + len(asked), _HEADER, 0, 0),
        *(_HEADER, _SEGMENT, 3 if dynamic else 2, 0, 0, 0),
    )
    return b"".join(
        (
            header,
            _segment(_PT_LOAD, 0, start + len(content), flags=5),
            _segment(_PT_GNU_STACK, 0, 0, flags=6),
            _segment(_PT_INTERP, start, len(asked), flags=4),
            content,
        )
    )


def _segment(kind: int, offset: int, size: int, *, flags: int) -> bytes:
    place = _BASE + offset if size else 0
    return struct.pack("<IIQQQQQQ", kind, flags, offset, place, place, size, size, 0x1000)
