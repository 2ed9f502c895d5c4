"""Programs that believe that it is another day."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

LATER = "+3456d"


def preload() -> Path:
    """Return the library that shifts the clock of who loads it."""
    libraries = list(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not libraries:
        pytest.skip("faketime is not installed")
    return libraries[0]


def alone() -> list[str]:
    """Return what starts a program with a /dev/shm of its own.

    libfaketime leaves two files there for each process that is killed, and a later process of
    the same number may fail at them.
    """
    return ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /dev/shm && exec "$@"', "sh"]


def later() -> list[str]:
    """Return what starts a program that lives later. Its user must not change any more."""
    return ["env", f"LD_PRELOAD={preload()}", f"FAKETIME={LATER}", "NO_FAKE_STAT=1"]


def path_of_later_tools(folder: Path) -> str:
    """Return a PATH by which the bakery's tools live later; their environment is theirs alone."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not installed")
    folder.mkdir()
    wrapper = folder / "setpriv"  # what all of them are started by
    wrapper.write_text(f'#!/bin/sh\nexec {" ".join(later())} {setpriv} "$@"\n')
    wrapper.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"
