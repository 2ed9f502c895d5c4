"""Processors shared by tasks that run side by side."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from bakery import trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

_here = threading.local()


def waited() -> float:
    """Return the seconds that this thread has waited for processors so far."""
    return getattr(_here, "waited", 0.0)


def add_waited(seconds: float) -> None:
    """Count what others have waited that this thread has waited for."""
    _here.waited = waited() + seconds


class Processors:
    """A number of processors; who wants some waits for its turn, first come, first served."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = count
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def take(self, wanted: int) -> Iterator[int]:
        """Wait for `wanted` processors, at most all of them, and have them for a block."""
        granted = min(wanted, self.count)
        self._get(granted, self._queue.append)
        before, _here.lend = getattr(_here, "lend", None), partial(self._lent, granted)
        try:
            yield granted
        finally:
            _here.lend = before
            self._give(granted)

    @contextmanager
    def _lent(self, granted: int) -> Iterator[None]:
        self._give(granted)
        try:
            yield
        finally:
            self._get(granted, self._queue.appendleft)

    def _get(self, granted: int, enqueue: Callable[[object], None]) -> None:
        turn = object()
        began = time.monotonic()
        with trace.span("waits for processors", wanted=granted), self._changed:
            enqueue(turn)
            self._changed.wait_for(lambda: self._queue[0] is turn and self._free >= granted)
            self._queue.popleft()
            self._free -= granted
            self._changed.notify_all()
        add_waited(time.monotonic() - began)

    def _give(self, granted: int) -> None:
        with self._changed:
            self._free += granted
            self._changed.notify_all()


def lent() -> AbstractContextManager[None]:
    """Leave the processors that this thread has to others, for a block that only waits.

    They are had again before anybody else gets one, since what was begun must be finished.
    """
    lend: Callable[[], AbstractContextManager[None]] | None = getattr(_here, "lend", None)
    return lend() if lend else nullcontext()
