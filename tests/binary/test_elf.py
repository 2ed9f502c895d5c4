from __future__ import annotations

import io
from typing import Any

import pytest
from harness.elf_headers import make_elf
from hypothesis import given
from hypothesis import strategies as st

from bakery.binary.elf import Elf, read
from bakery.binary.headers import ElfError


def test_a_dynamic_program_tells_what_it_loads() -> None:
    data = make_elf(
        interpreter="/lib64/ld-linux-x86-64.so.2",
        needed=("libz.so.1", "libc.so.6"),
        runpath="$ORIGIN/../lib:/usr/lib/demo",
    )
    assert read(io.BytesIO(data)) == Elf(
        machine="x86-64",
        kind="executable",
        interpreter="/lib64/ld-linux-x86-64.so.2",
        needed=("libz.so.1", "libc.so.6"),
        runpath=("$ORIGIN/../lib", "/usr/lib/demo"),
        pie=True,
        relro=True,
    )


@pytest.mark.parametrize(
    ("given_options", "expected"),
    [
        ({"pie": False}, {"kind": "executable", "pie": False, "dynamic": False}),
        ({"pie": True}, {"kind": "executable", "pie": True, "dynamic": False}),
        ({"machine": "arm64"}, {"machine": "arm64"}),
        ({"library": True, "soname": "liba.so.1"}, {"kind": "library", "soname": "liba.so.1"}),
        (
            {"library": True, "soname": "libc.so.6", "interpreter": "/lib/ld.so"},
            {"kind": "library", "interpreter": None},
        ),
        ({"rpath": "/a:/b"}, {"rpath": ("/a", "/b")}),
        ({"execstack": True}, {"execstack": True}),
        ({"textrel": True}, {"textrel": True}),
        ({"relro": False}, {"relro": False}),
        ({"go": True}, {"go": True}),
    ],
)
def test_what_headers_say(
    given_options: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    headers = read(io.BytesIO(make_elf(**given_options)))
    assert {name: getattr(headers, name) for name in expected} == expected


def test_a_file_that_is_cut_off() -> None:
    with pytest.raises(ElfError, match="not a complete ELF file") as caught:
        read(io.BytesIO(make_elf(soname="libdemo.so.1")[:-3]))
    assert "3 bytes are missing" in str(caught.value)


@given(data=st.data())
def test_damage_is_never_more_than_an_error(data: st.DataObject) -> None:
    blob = bytearray(make_elf(interpreter="/lib/ld.so", needed=("liba.so",), runpath="$ORIGIN"))
    for _ in range(data.draw(st.integers(1, 6))):
        blob[data.draw(st.integers(4, len(blob) - 1))] = data.draw(st.integers(0, 255))
    blob = blob[: data.draw(st.integers(4, len(blob)))]
    try:
        read(io.BytesIO(bytes(blob)))
    except ElfError as error:
        assert error.why  # noqa: PT017  both outcomes are right; only others are not
