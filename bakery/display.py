"""What runs, shown while it does: live on a terminal, elsewhere a line after each silence.

Live are a line for each row, and one over all of them. No line is ever wider than the terminal,
since what wraps can't be followed; what finds no room in it is left out, the least telling first.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from bakery import interrupts, surroundings
from bakery.characters import visible
from bakery.text import format_size, format_time, task_columns, task_width, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self, TextIO

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from bakery.progress import TellPart

SILENCE = 10.0
"""Seconds; who watches no terminal is told after so long that work goes on."""


_REFRESH = 8  # a second
_WINDOW = 5.0  # seconds that a rate is the mean of
_NAME = 24  # columns of a name that still tells what it is
_WORDS = 8  # columns of words that still say something
_ECHO = len("^C")  # stands behind the last line, which must not wrap for it
_BAR = 16
_WIDE = 76  # columns of a line that has room for a bar
_NAMED = 3  # rows, in a line without a terminal


@dataclass(frozen=True, kw_only=True)
class Overall:
    """How far all is.

    Attributes:
        done: tasks that are over.
        all: tasks in all.
        left: seconds that the rest will probably take; None where nobody can tell.

    """

    done: int
    all: int
    left: float | None = None


class Row:
    """Something that runs; it is a `Progress`.

    Attributes:
        task: what is done and to what, such as `squash:docker-20.10.13-arm64`.
        began: when, by the display's clock.
        done: bytes so far.
        total: bytes in all; None where nobody knows.
        counted: how many of how many things, in words.

    """

    def __init__(self, display: Display, task: str, began: float) -> None:
        self.task = task
        self.began = began
        self.done = 0
        self.total: int | None = None
        self.counted = ""
        self._steps: dict[str, str] = {}
        self._display = display

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return self._display.now() - self.began

    def expect(self, total: int | None) -> None:
        """Show the total from now on."""
        self.total = total

    def advance(self, count: int) -> None:
        """Show more bytes."""
        self.done += count
        if self.task.startswith("fetch:"):
            self._display.received(count)

    def restart(self, done: int = 0) -> None:
        """Show the bytes that are there already."""
        self.done = done

    def tell(self, step: str, *, of: str = "", lasting: bool = False) -> None:
        """Show what is being done; what lasts gets a line that stays."""
        self._steps[of] = step
        if lasting:
            self._display.say(": ".join(filter(None, (self.task.rstrip(":"), of, step))))

    def lines(self, now: float, width: int) -> Iterator[str]:
        """Yield it as lines: one, or one for each part that has told what it does."""
        elapsed = format_time(now - self.began)
        whole, share = self._amounts()
        for of, step in [*self._steps.items()] or [("", "")]:
            words = step or self.counted
            details = ("  ".join(filter(None, (words, each))) for each in (whole, share, ""))
            task = f"{self.task} {of}".replace(": ", ":", 1) if of else self.task
            yield _fitted(task, [*details], elapsed, width)

    def sentence(self, now: float) -> str:
        """Return it for a line without columns."""
        steps = (": ".join(filter(None, pair)) for pair in self._steps.items())
        told = ", ".join(filter(None, (*steps, self.counted, self._amounts()[0])))
        words = (self.task.replace(":", " ", 1), told, f"({format_time(now - self.began)})")
        return " ".join(filter(None, words))

    def _amounts(self) -> tuple[str, str]:
        """Return how many bytes of how many, and the same in fewer words."""
        if not self.done:
            return "", ""
        size = format_size(self.done)
        if not self.total:
            return size, size
        share = f"{min(100, 100 * self.done // self.total)} %"
        return f"{size} of {format_size(self.total)}", share


def _fitted(task: str, details: Sequence[str], elapsed: str, width: int) -> str:
    """Return a row's line: the most of its details that leaves the name telling."""
    elapsed = f"{elapsed:>6}"
    least = task_width(task, min(_NAME, width // 3))
    room = max(0, width - least - len(elapsed) - 2)
    fitting = next((each for each in details if len(each) <= room), None)
    if fitting is None:
        fitting = details[-1][: room - 1] + "…" if room >= _WORDS else ""
    end = f" {fitting} {elapsed}" if fitting else elapsed
    return f"{task_columns(task, width - len(end))}{end}"[:width]


@dataclass
class _Rate:
    """How many bytes arrive in a second."""

    clock: Callable[[], float]
    began: float | None = None
    came: deque[tuple[float, int]] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, count: int) -> None:
        now = self.clock()
        with self.lock:
            self.began = now if self.began is None else self.began
            self.came.append((now, count))

    def text(self) -> str:
        now = self.clock()
        with self.lock:
            while self.came and self.came[0][0] < now - _WINDOW:
                self.came.popleft()
            span = max(0.5, min(_WINDOW, now - (now if self.began is None else self.began)))
            return f"{format_size(int(sum(count for _, count in self.came) / span))}/s"


class Display:
    """Rows of what runs, and lines of what is over. It may be told from any thread.

    What is live is drawn without the lock of the rows, since who holds that may wait for the
    terminal. Only one thread draws at a time: where two do, one of them moves up by the height of
    what the other has drawn, and wipes out lines that were to stay.

    Args:
        overall: tells how far all is; None where there is one row alone.
        error: whether it goes to standard error.
        clock: tells the time, in seconds.

    """

    def __init__(
        self,
        overall: Callable[[], Overall] | None = None,
        *,
        error: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._overall = overall
        self._error = error
        self._clock = clock
        self._rows: list[Row] = []
        self._rate = _Rate(clock)
        self._said = clock()
        self._lock = threading.RLock()
        self._drawing = threading.RLock()
        self._live: Live | None = None
        self._watching: threading.Thread | None = None
        self._closed = threading.Event()
        self._console: Console | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def console(self) -> Console:
        """What it is shown on."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(
                emoji=False, highlight=False, soft_wrap=True, stderr=self._error
            )
        return self._console

    @property
    def width(self) -> int | None:
        """The columns of the terminal; None where there is none."""
        return self.console.width if self._is_terminal() else None

    def now(self) -> float:
        """Return the time by its clock."""
        return self._clock()

    def begin(self, task: str) -> Row:
        """Show a row from now on."""
        with self._lock:
            row = Row(self, task, self._clock())
            self._rows.append(row)
            if not self._closed.is_set():
                self._show()
            return row

    def end(self, row: Row) -> None:
        """Show a row no more."""
        with self._lock:
            self._rows.remove(row)

    def received(self, count: int) -> None:
        """Count bytes from the network."""
        self._rate.add(count)

    def say(self, text: str, *, bad: bool = False) -> None:
        """Print lines that stay; nothing once a signal has come, which is all there is to say."""
        with self._lock:
            if interrupts.happened():
                return
            self._said = self._clock()
            shown = visible(text, allowed="\n\t")
            if (width := self.width) is None:
                self._write(shown)
                return
            with self._drawing:
                style = "red" if bad else None
                self.console.print(wrapped(shown, width), style=style, markup=False)

    def _write(self, text: str) -> None:
        """Write a line where there is no terminal; who reads no further, as `head`, ends it all."""
        try:
            print(text, file=self._stream, flush=True)
        except BrokenPipeError:
            surroundings.drop_unwritten()
            raise SystemExit(1) from None

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._closed.set()
        live, self._live = self._live, None
        if live is not None:
            with self._drawing:
                live.stop()

    def remind(self) -> None:
        """Say what runs and how far that is, if nothing was said for long."""
        with self._lock:
            if self._rows and self._clock() - self._said >= SILENCE:
                self.say(self._sentence())

    def _sentence(self) -> str:
        now = self._clock()
        named = "; ".join(row.sentence(now) for row in self._rows[:_NAMED])
        more = len(self._rows) - _NAMED
        head = ", ".join(self._summary())
        return f"{head + ': ' if head else ''}{named}{f'; and {more} more' if more > 0 else ''}"

    # Live

    def _show(self) -> None:
        if self._watching is not None:
            return
        interrupts.close_first(self.close)
        watch: Callable[[], None] = self._remind
        if self._is_terminal() and not _in_ci():
            from rich.live import Live

            live = Live(
                console=self.console,
                get_renderable=self._render,
                auto_refresh=False,
                transient=True,
                redirect_stderr=False,
            )
            self._live = live
            live.start()
            watch = partial(self._draw, live)
        self._watching = threading.Thread(target=watch, daemon=True)
        self._watching.start()

    @property
    def _stream(self) -> TextIO:
        return sys.stderr if self._error else sys.stdout

    def _is_terminal(self) -> bool:
        return self._stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")

    def _remind(self) -> None:
        while not self._closed.wait(1):
            self.remind()

    def _draw(self, live: Live) -> None:
        while not self._closed.wait(1 / _REFRESH):
            with self._drawing:
                if not self._closed.is_set():
                    live.refresh()

    def _render(self) -> Text:
        from rich.text import Text

        width, height = self.console.size
        text = "\n".join(self.lines(width - _ECHO, height - 1))
        return Text(visible(text, allowed="\n"), no_wrap=True, overflow="crop")

    def lines(self, width: int, height: int) -> list[str]:
        """Return what is live: at most so many lines of at most so many columns."""
        now = self._clock()
        rows = [line for row in [*self._rows] for line in row.lines(now, width)]
        room = max(1, height - (self._overall is not None))
        if len(rows) > room:
            rows[room - 1 :] = [f"and {len(rows) - room + 1} more"[:width]]
        return [*rows, *self._overall_line(width)]

    def _overall_line(self, width: int) -> Iterator[str]:
        if self._overall is None:
            return
        far, pieces = self._overall(), self._summary()
        if width >= _WIDE:
            bar = "━" * (_BAR * far.done // max(1, far.all))
            pieces[0] = f"{bar:─<{_BAR}}  {pieces[0]}"
        for unneeded in ("/s", " running"):
            if len(", ".join(pieces)) > width:
                pieces = [each for each in pieces if not each.endswith(unneeded)]
        yield ", ".join(pieces)[:width]

    def _summary(self) -> list[str]:
        if self._overall is None:
            return []
        far = self._overall()
        pieces = [f"{far.done} of {far.all} done", f"{len(self._rows)} running"]
        if any(row.task.startswith("fetch:") and row.done for row in [*self._rows]):
            pieces.append(self._rate.text())
        if far.left is not None and far.left >= 1:
            pieces.append(f"{format_time(far.left)} left")
        return pieces


@contextmanager
def told(what: str, *, live: bool) -> Iterator[TellPart]:
    """Show on standard error what parts of some work do, as they tell, for a block.

    Args:
        what: what is done, such as `boot`.
        live: whether nobody else uses the terminal; otherwise only what lasts is shown.

    """
    with Display(error=True) as display:
        row = display.begin(what) if live else Row(display, what, display.now())

        def tell(part: str, step: str, *, lasting: bool = False) -> None:
            row.tell(step, of=part, lasting=lasting)

        yield tell


def _in_ci() -> bool:
    """Return whether nobody looks on, though there may be a terminal."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")
