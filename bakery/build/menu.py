"""The lines of `doit list`: what each recipe is, and how far its newest version has come."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.build.state import State
    from bakery.build.step import AnyStep
    from bakery.settings import Settings

LEGEND = "L locked, B built, T booted, P published: newest version\n"
"""What the marks mean. Whether something is published is only looked up in a folder."""

_MARKS = "LBTP"
_NAME_PADDING = 3  # blanks of doit's between its columns
_UNKNOWN, _NOT = "?", "-"


def marks(
    built: Sequence[AnyStep],
    booted: Sequence[AnyStep],
    state: State,
    settings: Settings,
    *,
    locked: bool,
) -> str:
    """Return a letter for all that holds of a recipe's newest version, and `-` for what does not.

    Args:
        built: the steps that complete its releases, oldest first.
        booted: the step that boots its newest image for this machine, if there is one.
        state: what has been done.
        settings: where releases are published; on GitHub nobody looks, which is `?`.
        locked: whether the lock has all that the newest one needs.

    """
    if not built:
        return _NOT * len(_MARKS)
    kind, _, place = settings.publisher.partition(":")
    published = kind == "directory" and Path(settings.root, place, built[-1].name).is_dir()
    holds = (locked, state.is_done(built[-1]), any(map(state.is_done, booted)), published)
    shown = "".join(mark if held else _NOT for mark, held in zip(_MARKS, holds, strict=True))
    return shown if kind == "directory" else shown[:-1] + _UNKNOWN


def is_shown(arguments: Sequence[str]) -> bool:
    """Return whether `doit list` was asked for texts beside the tasks of all recipes."""
    return not any(
        each in {"-q", "--quiet"} or each.startswith("--template") or not each.startswith("-")
        for each in arguments[1:]
    )


def width(names: Sequence[str]) -> int | None:
    """Return how long the text beside tasks may be; None where nobody reads it on a terminal."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return None
    return shutil.get_terminal_size().columns - max(map(len, names), default=0) - _NAME_PADDING


def line(marked: str, summary: str, about: str, room: int | None) -> str:
    """Return the text beside a recipe's task; a summary that is too long loses its end.

    Args:
        marked: its marks.
        summary: what it is.
        about: what stands behind that in brackets, if anything.
        room: how long the text may be; None for as long as it is.

    """
    end = f" [{about}]" if about else ""
    left = None if room is None else max(room - len(f"{marked}  {end}"), 1)
    if left is not None and len(summary) > left:
        summary = f"{summary[: left - 1].rstrip(' ,')}…"
    return f"{marked}  {summary}{end}"
