from __future__ import annotations

import sys
from pathlib import Path

import pytest
from elftools.elf import hash as tables

from bakery.binary import elf, go_build, headers, rust_build


def test_no_table_of_symbols_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have as many numbers as a binary has symbols, and pyelftools wants them one by one."""

    def refuse(*_: object) -> None:
        raise AssertionError("a hash table is parsed")

    for name in ("ELFHashTable", "GNUHashTable"):
        monkeypatch.setattr(getattr(tables, name), "__init__", refuse)
    with Path(sys.executable).open("rb") as file:
        assert headers.section(file, ".gnu.hashes") is None
        assert elf.read(file).dynamic
        assert go_build.read(file) is None
        assert rust_build.read(file) == ()
        with pytest.raises(AssertionError):
            headers.section(file, ".gnu.hash")
