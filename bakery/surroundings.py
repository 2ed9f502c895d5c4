"""Where a command is started: its folder may be gone, its output full or without some letters."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from bakery.errors import BakeryError


def prepare() -> None:
    """Have what an output can't encode replaced, rather than end half-way.

    Raises:
        BakeryError: the folder that the command was started in is gone.

    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        Path.cwd()
    except FileNotFoundError:
        raise BakeryError(
            "the folder that this was started in is gone", fix="change to one that is there"
        ) from None


def drop_unwritten() -> None:
    """Throw away what the output did not take: Python would fail by it once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
