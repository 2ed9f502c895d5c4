"""The live lines of running tasks on a terminal; imported only where there is one to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import Progress, ProgressColumn, SpinnerColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from bakery.text import format_size, task_columns

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task


_NAME = 52
_CLOCK = 11  # columns of spinner and clock, with their margins
_AMOUNT = 34
_LEAST = 24  # columns of a name that still tells which task it is


class _Name(ProgressColumn):
    """Which task it is, in what room the terminal has for that."""

    def __init__(self, console: Console, beside: int) -> None:
        super().__init__(Column(no_wrap=True))
        self._console = console
        self._beside = beside

    def render(self, task: Task) -> Text:
        width = min(_NAME, max(_LEAST, self._console.width - self._beside))
        return Text(task_columns(task.description, width))


class _Amount(ProgressColumn):
    """Bytes done, of how many, and how fast; nothing for work that has no bytes to tell."""

    def render(self, task: Task) -> Text:
        done = int(task.completed)
        if not done:
            return Text("")
        total = f" of {format_size(int(task.total))}" if task.total else ""
        rate = f"  {format_size(int(task.speed))}/s" if task.speed else ""
        return Text(f"{format_size(done)}{total}{rate}")


def progress(console: Console) -> Progress:
    """Return an empty display; its lines vanish when it stops.

    A narrow terminal shows no bytes, since a line that is broken in two can't be followed.
    """
    wide = console.width >= _LEAST + _CLOCK + _AMOUNT
    columns: list[ProgressColumn] = [
        SpinnerColumn(),
        _Name(console, _CLOCK + _AMOUNT * wide),
        TimeElapsedColumn(Column(no_wrap=True)),
    ]
    if wide:
        columns.append(_Amount(Column(no_wrap=True, overflow="ellipsis")))
    return Progress(*columns, console=console, transient=True)
