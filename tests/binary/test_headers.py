from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from harness import needs
from harness.elf_headers import make_elf

from bakery.binary import elf
from bakery.binary.headers import ElfError, ElfFile, Section


class Counted(io.BytesIO):
    """Bytes that count how many of them are read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def with_section(bits: int, sign: str, machine: int) -> bytes:
    """Return a file of any layout, as elf(5) has it, with one segment and a named section."""
    wide = bits == 64
    word = "Q" if wide else "I"
    header, step, section = (64, 56, 64) if wide else (52, 32, 40)
    names = b"\0.shstrtab\0.dep-v0\0"
    content = header + step
    table = content + len(names)
    parts = [1, content, 4096, 0, len(names), 0, 1]
    parts.insert(1 if wide else -1, 5)  # the flags
    return b"".join(
        (
            b"\x7fELF" + bytes([2 if wide else 1, 1 if sign == "<" else 2, 1]).ljust(12, b"\0"),
            struct.pack(
                f"{sign}HHI3{word}I6H",
                2,
                machine,
                1,
                0,
                header,
                table,
                0,
                header,
                step,
                1,
                section,
                3,
                1,
            ),
            struct.pack(f"{sign}II6Q" if wide else f"{sign}8I", *parts),
            names,
            bytes(section),
            struct.pack(f"{sign}II4{word}II2{word}", 1, 3, 0, 0, content, len(names), 0, 0, 1, 0),
            struct.pack(f"{sign}II4{word}II2{word}", 11, 1, 0, 8192, content, 5, 0, 0, 1, 0),
        )
    )


@pytest.mark.parametrize(
    ("bits", "sign", "number", "machine"),
    [
        (64, "<", 62, "x86-64"),
        (64, "<", 21, "ppc64-le"),
        (64, ">", 21, "ppc64"),
        (64, ">", 22, "s390x"),
        (32, "<", 40, "arm"),
        (32, ">", 8, "mips"),
        (32, ">", 4711, "EM_4711"),
    ],
)
def test_every_layout_is_read(bits: int, sign: str, number: int, machine: str) -> None:
    data = with_section(bits, sign, number)
    file = ElfFile(io.BytesIO(data))
    (segment,) = file.segments
    assert (segment.type, segment.flags, segment.address, segment.size) == (1, 5, 4096, 19)
    assert file.read(*file.place(4096)).startswith(b"\0.shstrtab\0")
    assert file.section(".dep-v0") == Section(address=8192, offset=segment.offset, size=5)
    assert file.section(".go.buildinfo") is None
    assert elf.read(io.BytesIO(data)).machine == machine


def test_a_program_is_read_no_further_than_its_headers() -> None:
    data = make_elf(interpreter="/lib/ld.so", needed=("liba.so",), runpath="$ORIGIN", go=True)
    stream = Counted(data + bytes(32 << 20))
    assert elf.read(stream).needed == ("liba.so",)
    assert stream.count < 4096


@pytest.mark.parametrize(
    ("at", "byte", "why"),
    [
        (0, 0, "does not begin like one"),
        (4, 3, "does not begin like one"),
        (54, 1, "unknown size"),
        (56, 255, "ends before byte"),
    ],
    ids=["magic", "class", "size-of-headers", "number-of-headers"],
)
def test_what_no_loader_could_read_is_damaged(at: int, byte: int, why: str) -> None:
    data = bytearray(make_elf(needed=("liba.so",)))
    data[at] = byte
    with pytest.raises(ElfError) as caught:
        ElfFile(io.BytesIO(bytes(data)))
    assert why in str(caught.value.why)


def test_a_name_without_an_end_is_not_read_on_and_on() -> None:
    stream = Counted(make_elf(soname="a" * (1 << 20)))
    with pytest.raises(ElfError) as caught:
        elf.read(stream)
    assert "has no end" in str(caught.value.why)
    assert stream.count < 1 << 15


@needs.programs("readelf")
def test_it_says_what_readelf_says() -> None:
    path = Path(sys.executable).resolve()
    told = subprocess.run(
        ["readelf", "--wide", "--dynamic", "--program-headers", "--section-headers", path],
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    ).stdout
    with path.open("rb") as stream:
        found = elf.read(stream)
        text = ElfFile(stream).section(".text")
    needed = [line for line in told.splitlines() if "(NEEDED)" in line]
    assert found.needed == tuple(line.partition("[")[2].rstrip("]") for line in needed)
    assert f"interpreter: {found.interpreter}]" in told
    assert found.relro == ("GNU_RELRO" in told)
    assert text is not None
    assert f"{text.address:016x} {text.offset:06x} {text.size:06x}" in told
