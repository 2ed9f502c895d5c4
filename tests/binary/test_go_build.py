from __future__ import annotations

import contextlib
import io
import struct
from typing import TYPE_CHECKING

import pytest
from harness.elf import program
from hypothesis import given
from hypothesis import strategies as st

from bakery.binary import go_build
from bakery.binary.go_build import GoBuild, GoModule
from bakery.binary.headers import ElfError, ElfFile

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = 0x400000
START = 64 + 56
MAGIC = b"\xff Go buildinf:"
SENTINEL = b"0123456789abcdef"
MODULES = (
    "path\texample.com/tool/cmd/tool\n"
    "mod\texample.com/tool\tv1.2.3\t\n"
    "dep\texample.com/a\tv0.1.0\th1:x=\n"
    "dep\texample.com/old\tv0.2.0\n"
    "=>\texample.com/new\tv0.3.0\th1:y=\n"
    "build\tGOOS=linux\n"
)
FOUND = GoBuild(
    go="go1.22.5",
    main=GoModule("example.com/tool", "v1.2.3"),
    modules=(GoModule("example.com/a", "v0.1.0"), GoModule("example.com/new", "v0.3.0")),
)


def elf(data: bytes) -> bytes:
    """Return a binary without sections whose one writable segment holds `data`."""
    size = START + len(data)
    header = struct.pack(
        "<4s5B7xHHIQQQIHHHHHH",
        *(b"\x7fELF", 2, 1, 1, 0, 0),
        *(2, 62, 1, BASE + START, 64, 0, 0, 64, 56, 1, 0, 0, 0),
    )
    segment = struct.pack("<IIQQQQQQ", 1, 6, START, BASE + START, 0, len(data), len(data), 16)
    assert len(header + segment + data) == size
    return header + segment + data


def varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])


def inline(version: str, modules: str) -> bytes:
    wrapped = SENTINEL + modules.encode() + SENTINEL
    head = (MAGIC + bytes([8, 2])).ljust(32, b"\0")
    return head + varint(len(version)) + version.encode() + varint(len(wrapped)) + wrapped


def pointers(version: str, modules: str) -> bytes:
    """Return what linkers before Go 1.18 write: the addresses of two strings."""
    texts = [version.encode(), SENTINEL + modules.encode() + SENTINEL]
    here = BASE + START
    strings = here + 32
    places = [strings + 32, strings + 32 + len(texts[0])]
    headers = b"".join(
        struct.pack("<QQ", *pair) for pair in zip(places, map(len, texts), strict=True)
    )
    head = MAGIC + bytes([8, 0]) + struct.pack("<QQ", strings, strings + 16)
    return head + headers + b"".join(texts)


def read(data: bytes) -> GoBuild | None:
    return go_build.read(ElfFile(io.BytesIO(data)))


@pytest.mark.parametrize("written", [inline, pointers])
def test_modules_and_the_compiler_are_read(written: Callable[[str, str], bytes]) -> None:
    assert read(elf(written("go1.22.5", MODULES))) == FOUND


def test_the_information_may_stand_further_behind() -> None:
    assert read(elf(b"\0" * 4096 + inline("go1.22.5", MODULES))) == FOUND


def test_a_program_without_modules_still_names_its_compiler() -> None:
    assert read(elf(inline("go1.19.8", ""))) == GoBuild(go="go1.19.8")


def test_other_programs_say_nothing() -> None:
    assert read(program("x86-64")) is None
    assert read(elf(b"\0" * 64)) is None


@given(st.data())
def test_damage_never_breaks_the_reader(data: st.DataObject) -> None:
    whole = bytearray(elf(inline("go1.22.5", MODULES)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ElfError):
        read(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
