from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from bakery.boot import scratch

if TYPE_CHECKING:
    from pathlib import Path

THREADED = """\
import threading
from bakery.boot import scratch

begun = threading.Event()

def work():
    with scratch.opened() as folder:
        (folder / "file").touch()
        begun.set()
        threading.Event().wait()

threading.Thread(target=work, daemon=True).start()
begun.wait()
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


def test_what_a_thread_has_when_its_program_ends_is_removed(place: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(place)}
    command = [sys.executable, "-c", THREADED]
    done = subprocess.run(
        command, env=environment, check=True, timeout=60, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert list(place.iterdir()) == []
