"""Text for people: mistyped names, amounts of bytes, tables."""

from __future__ import annotations

import codecs
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.characters import visible
from bakery.errors import SettingsError
from bakery.workflow_commands import annotation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_UNITS = "KMGTP"
_SIZE = re.compile(rf"(\d+(?:\.\d+)?)\s*([{_UNITS}]?)(?:i?B)?", re.IGNORECASE)
_LABEL = re.compile(r" *(where|why|fix): *")
_EXCERPT = re.compile(r" *\d* \| ")
_STEP_WIDTH = len("publish ")

LEFT_OUT, STAYS, UNSIGNED = "left out: ", "stays as it is: ", "unsigned: "
"""How lines begin that tell of something that needs a person's attention, and stops nothing."""


def is_alarm(line: str) -> bool:
    """Return whether a line tells of something that needs attention."""
    return line.startswith((LEFT_OUT, STAYS, UNSIGNED))


def alarms(lines: Iterable[str]) -> None:
    """Write lines that need attention to standard error; GitHub Actions shows them with the run."""
    for line in filter(is_alarm, lines):
        sys.stderr.write(f"{line}\n")
        if os.environ.get("GITHUB_ACTIONS") == "true":
            sys.stdout.write(f"{annotation('warning', line, title='bakery')}\n")


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name that was probably meant, or None when nothing is near."""
    import difflib

    return next(iter(difflib.get_close_matches(name, list(valid), n=1, cutoff=0.6)), None)


def did_you_mean(name: str, valid: Iterable[str]) -> str | None:
    """Return the question whether a valid name was meant, or None when nothing is near."""
    near = nearest(name, valid)
    return f"did you mean {near}?" if near else None


def show(path: Path) -> str:
    """Return the path as short as it can be said from the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def counted(number: int, word: str) -> str:
    """Return how many there are of what `word` names: `no errors`, `1 error`, `2 errors`."""
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def parse_size(text: str) -> int:
    """Return the bytes that a size such as `500M`, `1.5G` or `4096` stands for.

    Units are powers of 1024, as in systemd's own settings (systemd.syntax(7)).

    Raises:
        SettingsError: the text is no size.

    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise SettingsError(f"{text!r} is no size", fix="write it as 500M, as 10G or in bytes")
    number, unit = match.groups()
    return int(float(number) * 1024 ** (_UNITS.find(unit.upper()) + 1 if unit else 0))


def format_size(count: int) -> str:
    """Return an amount of bytes such as `61.3 MiB` in the largest unit that it fills."""
    amount = float(count)
    for unit in ("bytes", *(f"{letter}iB" for letter in _UNITS)):
        if amount < 1024 or unit == f"{_UNITS[-1]}iB":  # noqa: PLR2004  the step between units
            break
        amount /= 1024
    return f"{count} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def format_time(seconds: float) -> str:
    """Return a span such as `42 s`, `1:20` or `1:02:03`."""
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def plain_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[str] = ()
) -> str:
    """Return a table whose columns are as wide as their longest cell.

    Args:
        head: the columns' names.
        rows: their cells.
        numbers: the names of columns whose cells end below each other.

    """
    shown = [head, *([visible(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    aligned = [str.rjust if name in numbers else str.ljust for name in head]
    return "\n".join(
        "  ".join(
            align(cell, width) for align, cell, width in zip(aligned, row, widths, strict=True)
        ).rstrip()
        for row in shown
    )


def fitted(text: str) -> str:
    """Return text for standard output: as it is, or `wrapped` where that is a terminal."""
    return wrapped(text, shutil.get_terminal_size().columns) if sys.stdout.isatty() else text


def wrapped(text: str, width: int) -> str:
    """Return text with long lines broken between words, and indented as they begin.

    Paths, addresses and other long words stay whole, and so do excerpts of files.
    """
    return "\n".join(
        line if len(line) <= width or _EXCERPT.match(line) else _broken(line, width)
        for line in text.split("\n")
    )


def _broken(line: str, width: int) -> str:
    import textwrap

    label = _LABEL.match(line)
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * (label.end() if label else len(line) - len(line.lstrip()) + 2),
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


def task_width(name: str, most: int) -> int:
    """Return how wide a task's columns are, with a name of at most so many."""
    return _STEP_WIDTH + min(most, len(name.partition(":")[2]))


def task_columns(name: str, width: int) -> str:
    """Return a task's step and name in columns, `width` wide together.

    A long name loses its middle, for its ends tell it apart.
    """
    step, _, rest = name.partition(":")
    room = max(2, width - _STEP_WIDTH)
    end = room // 2
    shortened = rest if len(rest) <= room else f"{rest[: room - end - 1]}…{rest[-end:]}"
    return f"{step:<{_STEP_WIDTH - 1}} {shortened:<{room}}"


def decoded(data: bytes) -> str:
    """Return a text file's content: UTF-8, or UTF-16 by its byte order mark, without the mark."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf16 else "utf-8-sig", errors="replace")


def unmarked(data: bytes) -> bytes:
    """Return a file as it is, but text that has a byte order mark as UTF-8 without it."""
    marks = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return decoded(data).encode() if data.startswith(marks) else data


def printable(text: str) -> str:
    """Return text with control characters and undecodable bytes as backslash escapes."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in whole
    )
