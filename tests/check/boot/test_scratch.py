from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from bakery.check.boot import scratch

if TYPE_CHECKING:
    from pathlib import Path

THREADED = """\
import threading
from bakery.check.boot import scratch

begun, over = threading.Event(), threading.Event()

def work():
    with scratch.opened() as folder:
        (folder / "file").touch()
        begun.set()
        over.wait()

threading.Thread(target=work, daemon=True).start()
begun.wait()
import atexit
atexit.register(over.set)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def age(folder: Path) -> None:
    os.utime(folder, (0, 0))


def test_a_folder_lasts_as_long_as_it_is_used(place: Path) -> None:
    with scratch.opened() as folder:
        (folder / "below").mkdir()
        assert folder.parent == place
    assert list(place.iterdir()) == []


def test_what_a_killed_boot_left_is_removed_and_nothing_else(place: Path) -> None:
    left, young = place / "bakery-guest-left", place / "bakery-guest-young"
    for folder in (left, young, place / "other"):
        folder.mkdir()
        (folder / "file").touch()
    age(left)
    age(place / "other")
    with scratch.opened() as used:
        age(used)
        with scratch.opened() as mine:
            assert set(place.iterdir()) == {young, place / "other", used, mine}


def test_a_program_that_ends_waits_for_its_threads_to_clean_up(place: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(place)}
    subprocess.run([sys.executable, "-c", THREADED], env=environment, check=True, timeout=60)
    assert list(place.iterdir()) == []
