"""Where a run's time goes, as a timeline: spans, in the Trace Event Format that Perfetto opens.

The format is Chrome's: "Trace Event Format", N. Duca and D. Sinclair. A thread that works has a
track while it does; spans of one track contain each other, or one ends before the next begins.
Without a trace, a span costs a call.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from bakery.errors import BakeryError
from bakery.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Argument = str | int | float


class Span:
    """A part of the work of one thread, from when it is entered to when it is left."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End."""

    def note(self, **arguments: Argument) -> None:
        """Say more about it."""


_NONE = Span()


class _Recorded(Span):
    def __init__(self, trace: Trace, name: str, kind: str, arguments: dict[str, Argument]) -> None:
        self.name = name
        self.kind = kind
        self.arguments = arguments
        self._trace = trace

    def __enter__(self) -> Self:
        self.track = self._trace.enter()
        self.began = self._trace.now()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.note(failed=kind.__name__)
        self._trace.leave(self)

    def note(self, **arguments: Argument) -> None:
        self.arguments.update(arguments)


class Trace:
    """What this process does, from now on."""

    def __init__(self) -> None:
        self._began = time.perf_counter_ns()
        self._events: list[dict[str, Any]] = []
        self._results: dict[str, tuple[int, float]] = {}
        self._here = threading.local()
        self._guard = threading.Lock()
        self._numbers = itertools.count(1)
        self._free: list[int] = []
        self._tracks = 0

    def now(self) -> float:
        """Return the microseconds since it began."""
        return (time.perf_counter_ns() - self._began) / 1000

    def enter(self) -> int:
        """Return this thread's track, which nobody else has until the thread has left."""
        depth = getattr(self._here, "depth", 0)
        self._here.depth = depth + 1
        if not depth:
            with self._guard:
                if not self._free:
                    self._tracks += 1
                    self._free.append(self._tracks)
                self._here.track = heapq.heappop(self._free)
        return int(self._here.track)

    def leave(self, span: _Recorded) -> None:
        """Record a span of this thread that is over."""
        self._add(
            *("X", span.name, span.track, span.began),
            dur=self.now() - span.began,
            cat=span.kind,
            args=span.arguments,
        )
        self._here.depth -= 1
        if not self._here.depth:
            with self._guard:
                heapq.heappush(self._free, span.track)

    def instant(self, name: str, kind: str) -> None:
        """Record that something was found to be so, as that there is nothing to do."""
        self._add("i", name, getattr(self._here, "track", 1), self.now(), cat=kind, s="p")

    def result(self, name: str) -> None:
        """Take note that the span that this thread is in has made something."""
        self._results[name] = (self._here.track, self.now())

    def uses(self, names: Iterable[str]) -> None:
        """Draw arrows to the span that this thread is in, from those that made what it uses."""
        for name in names:
            if made := self._results.get(name):
                number = next(self._numbers)
                self._add("s", name, *made, cat="uses", id=number)
                self._add("f", name, self._here.track, self.now(), cat="uses", id=number, bp="e")

    def write(self, path: Path) -> None:
        """Write the trace as JSON."""
        names = [self._named("process_name", 0, " ".join(["doit", *sys.argv[1:]]))]
        names += [
            self._named("thread_name", track, f"worker {track}")
            for track in range(1, self._tracks + 1)
        ]
        text = json.dumps({"traceEvents": [*names, *self._events], "displayTimeUnit": "ms"})
        write_whole(path, text.encode())

    def _named(self, what: str, track: int, name: str) -> dict[str, Any]:
        return {"ph": "M", "name": what, "pid": os.getpid(), "tid": track, "args": {"name": name}}

    def _add(self, phase: str, name: str, track: int, at: float, **more: Any) -> None:
        event = {"ph": phase, "name": name, "pid": os.getpid(), "tid": track, "ts": at}
        self._events.append({**event, **more})


class _Active:
    trace: Trace | None = None
    path: Path | None = None
    whole: Span = _NONE


def start(path: Path) -> None:
    """Trace this process from now on, until `finish` writes the file.

    Raises:
        BakeryError: its folder is not there, or can't be written.

    """
    if why := _unwritable(path):
        raise BakeryError(
            "the trace can't be written",
            where=str(path),
            why=why,
            fix="name a file, such as trace.json",
        )
    _Active.trace, _Active.path = Trace(), path
    _Active.whole = span("all", "run")
    _Active.whole.__enter__()


def _unwritable(path: Path) -> str | None:
    """Return why a file can't be written, before hours of work end with that."""
    if path.is_dir():
        return "it is a folder"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    from tempfile import TemporaryFile

    try:
        with TemporaryFile(dir=path.parent):
            return None
    except OSError as error:
        return f"nothing can be written into {path.parent}: {error.strerror}"


def finish() -> Path | None:
    """Write the trace, and return where it is; None where nothing is traced."""
    trace, path = _Active.trace, _Active.path
    if trace is None or path is None:
        return None
    _Active.whole.__exit__(None, None, None)
    _Active.trace = None
    trace.write(path)
    return path


def span(name: str, kind: str = "part", **arguments: Argument) -> Span:
    """Return a span of what this thread does next.

    Args:
        name: what is done.
        kind: what kind of work it is; a step's, or `part` for what one consists of.
        arguments: what else is known of it.

    """
    trace = _Active.trace
    return _NONE if trace is None else _Recorded(trace, name, kind, arguments)


def active() -> Trace | None:
    """Return the trace of this process, if there is one."""
    return _Active.trace
