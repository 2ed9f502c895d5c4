"""What a build shows: a live line per running task, a line per finished one, a table at the end.

On a terminal progress is live; elsewhere each finished task is a line. GitHub Actions gets a group
per task and the table as its step summary. NO_COLOR is respected, as rich does.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bakery import interrupts, workflow_commands
from bakery.build.steps.squashed import KIND, Squashed
from bakery.build.summary import Tally, show
from bakery.characters import visible
from bakery.progress import Silent
from bakery.text import format_size, is_alarm, task_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console
    from rich.progress import Progress as Display
    from rich.progress import TaskID

    from bakery.build.context import Context
    from bakery.build.state import State
    from bakery.errors import BakeryError
    from bakery.progress import Progress
    from bakery.recipe.plan import Image

_WIDTH = 52


@dataclass
class _Running:
    """A task at work."""

    task: str
    started: float
    done: int = 0
    row: TaskID | None = None


class Reporter:
    """doit's reporter for builds.

    doit calls the methods below; the names and arguments are its own (doit, custom reporter).

    Attributes:
        unusable: the tasks of recipes that can't be built, and why; shown where nobody asked for
            them.

    """

    desc = "live progress and a table of images"

    def __init__(self, context: Context, state: State, images: Iterable[Image]) -> None:
        self.unusable: Mapping[str, BakeryError] = {}
        self._context = context
        self._state = state
        self._images = {image.id: image for image in images}
        self._running: dict[str, _Running] = {}
        self._notes: dict[str, str] = {}
        self._failures: dict[tuple[str, str], str] = {}
        self._tally = Tally()
        self._lock = threading.RLock()
        self._progress: Display | None = None

    def progress(self, task: str) -> Progress:
        """Return where a running task reports its progress."""
        with self._lock:
            running = self._running.get(task)
        return Silent() if running is None else _Line(self, running)

    def note(self, task: str, text: str) -> None:
        """Show a text below the line of a task that is about to succeed."""
        with self._lock:
            self._notes[task] = text

    # doit's calls

    def initialize(self, tasks: dict[str, Any], selected: Sequence[str]) -> None:
        """Begin a run."""

    def get_status(self, task: Any) -> None:
        """Take no notice that a task is looked at."""

    def execute_task(self, task: Any) -> None:
        """Show that a task runs."""
        if not task.actions:
            return
        with self._lock:
            self._tally.steps.add(task.name.partition(":")[0])
            running = _Running(task=task.name, started=time.monotonic())
            self._running[task.name] = running
            live = self._live()
            if live is not None:
                running.row = live.add_task(task.name, total=None)

    def add_success(self, task: Any) -> None:
        """Show that a task has done its work."""
        with self._lock:
            running = self._end(task.name)
            if running is None:
                return
            step, _, name = task.name.partition(":")
            if step == "squash":
                self._tally.built.add(name)
            seconds = time.monotonic() - running.started
            amount = self._amount(step, name, running)
            notes = self._notes.pop(task.name, "").splitlines()
            self._finished(task.name, f"{amount:>10}  {seconds:6.1f} s", notes)

    def add_failure(self, task: Any, fail: Any) -> None:
        """Show that a task has failed, or can't run since another one has."""
        with self._lock:
            self._end(task.name)
            if fail.get_name() == "UnmetDependency":
                self._tally.skipped.append(task.name)
                return
            self._tally.failed.append(task.name)
            self._finished(task.name, "FAILED", self._explained(task.name, fail), bad=True)

    def _explained(self, name: str, fail: Any) -> list[str]:
        """Return why a task failed, or which one failed for the same reason before it.

        Architectures of one image mostly do.
        """
        message = fail.get_msg().strip()
        step, _, image = name.partition(":")
        first = self._failures.setdefault((step, message.replace(image, "")), name)
        return message.splitlines() if first == name else [f"for the same reason as {first}"]

    def skip_uptodate(self, task: Any) -> None:
        """Count a task that has nothing to do."""
        step, _, name = task.name.partition(":")
        if step == "squash":
            self._tally.cached.add(name)
        elif step == "boot":
            self._passed_before(task.name, name)

    def skip_ignore(self, task: Any) -> None:
        """Count a task that the user ignores (`doit ignore`)."""
        with self._lock:
            self._tally.skipped.append(task.name)

    def _passed_before(self, task: str, name: str) -> None:
        """Show on which machines an image has passed earlier."""
        from bakery.build.steps.boot import Booted

        record = self._state.record("boot", name, Booted)
        for boot in record.facts.boots if record else ():
            self._say(f"{task}: passed earlier on {boot.machine}, systemd {boot.systemd}")

    def cleanup_error(self, exception: Any) -> None:
        """Show that cleaning up failed."""
        self._say(exception.get_msg())

    def runtime_error(self, message: str) -> None:
        """Show that the graph itself is broken."""
        with self._lock:
            self._tally.failed.append(message)
            self._say(message)

    def teardown_task(self, task: Any) -> None:
        """Take no notice of a task's teardown; steps have none."""

    def complete_run(self) -> None:
        """Print the summary. A reader that has closed the pipe, as `head` does, gets none."""
        try:
            self._sum_up()
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _sum_up(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        if interrupts.happened():
            return
        self._state.sweep()
        show(self._tally, self._images, self._context, self._state, self.unusable)

    # Showing

    def _live(self) -> Display | None:
        if self._progress is None and self._console().is_terminal and not _in_actions():
            from bakery.build.display import progress

            self._progress = progress(self._console())
            self._progress.start()
        return self._progress

    def _console(self) -> Console:
        console: Console | None = getattr(self, "_made_console", None)
        if console is None:
            from rich.console import Console as Made

            console = self._made_console = Made(emoji=False, highlight=False, soft_wrap=True)
        return console

    def _end(self, name: str) -> _Running | None:
        running = self._running.pop(name, None)
        if running is not None and running.row is not None and self._progress is not None:
            self._progress.remove_task(running.row)
        return running

    def _amount(self, step: str, name: str, running: _Running) -> str:
        record = self._state.record(step, name, Squashed) if step == KIND else None
        size = record.facts.size if record else running.done
        return format_size(size) if size else ""

    def _finished(
        self, task: str, result: str, details: Sequence[str], *, bad: bool = False
    ) -> None:
        line = f"{task_columns(task, _WIDTH)} {result}"
        if _in_actions() and details:
            self._say("\n".join(workflow_commands.group(line, details)))
            for alarm in filter(is_alarm, details):
                self._say(workflow_commands.annotation("warning", alarm, title=task))
            if bad:
                self._say(workflow_commands.annotation("error", "\n".join(details), title=task))
        else:
            self._say("\n".join([line, *(f"  {detail}" for detail in details)]), bad=bad)

    def _say(self, text: str, *, bad: bool = False) -> None:
        shown = visible(text, allowed="\n\t")
        self._console().print(shown, style="red" if bad else None, markup=False)


class _Line:
    """Shows the progress of one running task."""

    def __init__(self, reporter: Reporter, running: _Running) -> None:
        self._reporter = reporter
        self._running = running

    def expect(self, total: int | None) -> None:
        """Show the total from now on."""
        self._update(total=total)

    def advance(self, count: int) -> None:
        """Show more bytes."""
        self._running.done += count
        self._update(completed=self._running.done)

    def restart(self, done: int = 0) -> None:
        """Show the bytes that are there already."""
        self._running.done = done
        self._update(completed=done)

    def tell(self, step: str, *, lasting: bool = False) -> None:
        """Show what is being done beside the task's name; what lasts gets a line of its own."""
        task = self._running.task
        self._update(description=f"{task} {step}")
        if lasting:
            self._reporter._say(f"{task}: {step}")  # noqa: SLF001  one thing in two classes

    def _update(self, **changes: int | str | None) -> None:
        progress = self._reporter._progress  # noqa: SLF001  one thing in two classes
        if progress is not None and self._running.row is not None:
            progress.update(self._running.row, **changes)  # type: ignore[arg-type]


def _in_actions() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"
