from __future__ import annotations

import os
from pathlib import Path

import pytest

from bakery.boot import console

FULL = Path("/dev/full")


def test_what_the_machine_shows_is_kept_without_colours(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with console.opened(log) as (shown, terminal):
        os.write(terminal, b"\x1b[1;32mone\x1b[0m\n\ntwo\n")
    assert log.read_bytes().startswith(b"\x1b[1;32mone")
    assert shown.tail() == "one\ntwo"


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_does_not_stop_the_machine() -> None:
    with console.opened(FULL) as (_, terminal):
        for _ in range(100):  # more than a terminal holds back
            os.write(terminal, bytes(1000))


def test_a_system_that_gave_up_is_known(tmp_path: Path) -> None:
    with console.opened(tmp_path / "log") as (shown, terminal):
        os.write(terminal, b"[  OK  ] Reached target\n")
        assert shown.last_words() is None
    with console.opened(tmp_path / "log") as (shown, terminal):
        os.write(terminal, b"[!!!!!!] Freezing execution.\n")
    assert shown.last_words() == "Freezing execution"
