"""The live lines of running tasks on a terminal; imported only where there is one to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from bakery import sizes

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task


class _Amount(ProgressColumn):
    """Bytes done, of how many, and how fast; nothing for work that has no bytes to tell."""

    def render(self, task: Task) -> Text:
        done = int(task.completed)
        if not done:
            return Text("")
        total = f" of {sizes.text(int(task.total))}" if task.total else ""
        rate = f"  {sizes.text(int(task.speed))}/s" if task.speed else ""
        return Text(f"{sizes.text(done)}{total}{rate}")


def progress(console: Console) -> Progress:
    """Return an empty display; its lines vanish when it stops."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        _Amount(),
        console=console,
        transient=True,
    )
