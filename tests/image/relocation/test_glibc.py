from __future__ import annotations

import pytest

from bakery.image.errors import ImageError
from bakery.image.relocation.glibc import confine

FOLDERS = b"/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0"
LOADER = b"\x7fELFcode" + FOLDERS + b"text\0/etc/ld.so.cache\0/etc/ld.so.preload\0"


def test_a_loader_asks_nobody_but_its_program() -> None:
    data = confine("ld-linux-x86-64.so.2", LOADER)
    assert len(data) == len(LOADER)
    assert b"/lib" not in data
    assert b"/etc" not in data
    assert b"/---/x86_64-linux-gnu/\0/usr/---/x86_64-linux-gnu/\0/---/\0/usr/---/\0" in data


def test_a_loader_of_another_system() -> None:
    data = confine("ld-linux-aarch64.so.1", LOADER.replace(FOLDERS, b"/lib64/\0/usr/lib64/\0"))
    assert b"/-----/\0/usr/-----/\0" in data


def test_an_unknown_loader_is_refused() -> None:
    with pytest.raises(ImageError, match="ld-linux-x86-64"):
        confine("ld-linux-x86-64.so.2", b"\x7fELF\0/etc/ld.so.cache\0")


def test_the_c_library_finds_no_modules_of_the_hosts() -> None:
    paths = b"\0/usr/lib/x86_64-linux-gnu/gconv\0/usr/lib/x86_64-linux-gnu/gconv/cache\0"
    data = confine("libc.so.6", paths)
    assert data == paths.replace(b"/usr/lib/", b"/-------/")


def test_modules_that_came_along_are_kept() -> None:
    ours = b"\0/usr/lib/tool//////////////gconv\0"
    assert confine("libc.so.6", ours) == ours


def test_other_libraries_are_left_alone() -> None:
    assert confine("libdl.so.2", LOADER) == LOADER
