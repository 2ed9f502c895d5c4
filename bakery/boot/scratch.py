"""A folder for each boot; what a killed boot has left, the next one removes."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bakery import interrupts
from bakery.boot import cgroup

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "bakery-guest-"
_YOUNG = 60.0  # seconds; a younger folder may be about to be locked


@contextmanager
def opened() -> Iterator[Path]:
    """Yield an empty folder that is removed at the end, with all it holds.

    Its lock says that somebody uses it.
    """
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    with _locked(folder), interrupts.removing(folder):
        yield folder


def _sweep(parent: Path) -> None:
    """Remove the folders, and control groups of the same names, that nobody uses any more."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is in use, or somebody else's, or gone already
            if time.time() - folder.stat().st_mtime > _YOUNG:
                with _locked(folder, fcntl.LOCK_NB):
                    cgroup.remove(folder.name)
                    shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path, wait: int = 0) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | wait)
        yield
    finally:
        os.close(descriptor)
