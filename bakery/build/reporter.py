"""What a build shows: what runs, a line per finished task, a table at the end.

GitHub Actions gets a group per task and the table as its step summary. NO_COLOR is respected, as
rich does.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from bakery import interrupts, surroundings, trace, workflow_commands
from bakery.build.bundles import Bundle, bundles
from bakery.build.pace import Pace
from bakery.build.steps.fetch import shown
from bakery.build.steps.squashed import KIND, Squashed
from bakery.build.summary import Tally, show
from bakery.display import Display
from bakery.progress import Silent
from bakery.text import format_size, is_alarm, task_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bakery.build.context import Context
    from bakery.build.state import State
    from bakery.display import Row
    from bakery.errors import BakeryError
    from bakery.progress import Progress
    from bakery.recipe.plan import Image

_NAME = 52
_RESULT = len(" 1023.9 MiB  9999.9 s")


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
        self._running: dict[str, Row] = {}
        self._bundles: dict[str, Bundle] = {}
        self._notes: dict[str, str] = {}
        self._failures: dict[tuple[str, str], str] = {}
        self._tally = Tally()
        self._pace = Pace()
        self._lock = threading.RLock()
        self._display = Display(self._pace.overall)

    def progress(self, task: str) -> Progress:
        """Return where a running task reports its progress."""
        with self._lock:
            row, bundle = self._running.get(task), self._bundles.get(task)
        if row is None:
            return Silent()
        return row if bundle is None else bundle.progress(row)

    def note(self, task: str, text: str) -> None:
        """Show a text below the line of a task that is about to succeed."""
        with self._lock:
            self._notes[task] = text

    # doit's calls

    def initialize(self, tasks: dict[str, Any], selected: Sequence[str]) -> None:  # noqa: ARG002  doit's
        """Begin a run."""
        names = [name for name, task in tasks.items() if task.actions]
        sizes, self._bundles = bundles(self._images.values(), names)
        for name in names:
            self._pace.expect(name, sizes.get(name))
        self._complain()
        gc.freeze()  # recipes, steps and tasks stay: to look for garbage in them takes a tenth
        gc.enable()

    def get_status(self, task: Any) -> None:
        """Take no notice that a task is looked at."""

    def execute_task(self, task: Any) -> None:
        """Show that a task runs; none begins once a signal has come."""
        if interrupts.happened():
            raise SystemExit
        if not task.actions:
            return
        with self._lock:
            self._tally.steps.add(task.name.partition(":")[0])
            self._pace.begin(task.name)
            bundle = self._bundles.get(task.name)
            if bundle is None:
                row = self._display.begin(shown(task.name))
            else:
                row = bundle.begin(self._display)
            self._running[task.name] = row

    def add_success(self, task: Any) -> None:
        """Show that a task has done its work."""
        with self._lock:
            row = self._end(task.name, good=True)
            if row is None or task.name in self._bundles:
                return
            step, _, name = task.name.partition(":")
            size = self._count(name, row) if step == KIND else row.done
            notes = self._notes.pop(task.name, "").splitlines()
            self._succeeded(shown(task.name), size, row.age, notes)

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
        with self._lock:
            self._end(task.name)
        step, _, name = task.name.partition(":")
        if tracing := trace.active():
            tracing.instant(f"{task.name}: up to date", "cached")
        if step == KIND:
            self._tally.cached.add(name)
        elif step == "boot":
            self._passed_before(task.name, name)

    def skip_ignore(self, task: Any) -> None:
        """Count a task that the user ignores (`doit ignore`)."""
        with self._lock:
            self._end(task.name)
            self._tally.skipped.append(task.name)

    def _passed_before(self, task: str, name: str) -> None:
        """Show on which machines an image has passed earlier."""
        from bakery.build.steps.booted import Booted

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
            surroundings.drop_unwritten()

    def _sum_up(self) -> None:
        self._display.close()
        self._keep_trace()
        if interrupts.happened():
            return
        self._state.sweep()
        self._complain()
        width = self._display.width
        show(self._tally, self._images, self._context, self._state, self.unusable, width=width)

    def _keep_trace(self) -> None:
        try:
            path = trace.finish()
        except OSError as error:
            self._say(f"the trace can't be written: {error}", bad=True)
        else:
            if path and not interrupts.happened():
                self._say(f"a trace for https://ui.perfetto.dev: {path}")

    # Showing

    def _complain(self) -> None:
        """Show what is wrong with the shared cache, as far as that has not been shown."""
        for complaint in self._state.complaints():
            self._say(complaint, bad=True)

    def _end(self, name: str, *, good: bool = False) -> Row | None:
        """Take note that a task is over, or need not be done; the last of a bundle is told."""
        self._pace.end(name)
        row, bundle = self._running.pop(name, None), self._bundles.get(name)
        if bundle is None:
            if row is not None:
                self._display.end(row)
        elif last := bundle.end(self._display, good=good):
            self._succeeded(bundle.name, last.done, last.age, [])
        return row

    def _count(self, image: str, row: Row) -> int:
        """Count an image that was made here, or came from a shared cache; return its size."""
        record = self._state.record(KIND, image, Squashed)
        (self._tally.remote if record and record.origin else self._tally.built).add(image)
        return record.facts.size if record else row.done

    def _succeeded(self, task: str, size: int, seconds: float, notes: Sequence[str]) -> None:
        amount = format_size(size) if size else ""
        self._finished(task, f"{amount:>10}  {seconds:6.1f} s", notes)

    def _finished(
        self, task: str, result: str, details: Sequence[str], *, bad: bool = False
    ) -> None:
        width = self._display.width
        columns = _NAME if width is None else min(_NAME, width - _RESULT)
        line = f"{task_columns(task, columns)} {result}"
        if _in_actions() and details:
            self._say("\n".join(workflow_commands.group(line, details)))
            for alarm in filter(is_alarm, details):
                self._say(workflow_commands.annotation("warning", alarm, title=task))
            if bad:
                self._say(workflow_commands.annotation("error", "\n".join(details), title=task))
        else:
            self._say("\n".join([line, *(f"  {detail}" for detail in details)]), bad=bad)

    def _say(self, text: str, *, bad: bool = False) -> None:
        self._display.say(text, bad=bad)


def _in_actions() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"
