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


def path_of_later_tools(folder: Path) -> str:
    """Return a PATH by which the bakery's tools live later; their environment is theirs alone."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not installed")
    folder.mkdir()
    wrapper = folder / "setpriv"  # what all of them are started by
    variables = f"LD_PRELOAD={preload()} FAKETIME={LATER} NO_FAKE_STAT=1"
    wrapper.write_text(f'#!/bin/sh\nexec env {variables} {setpriv} "$@"\n')
    wrapper.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"
