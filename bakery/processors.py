"""Processors shared by tasks that run side by side."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bakery import trace

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        turn = object()
        began = time.monotonic()
        with trace.span("waits for processors", wanted=granted), self._changed:
            self._queue.append(turn)
            self._changed.wait_for(lambda: self._queue[0] is turn and self._free >= granted)
            self._queue.popleft()
            self._free -= granted
            self._changed.notify_all()
        add_waited(time.monotonic() - began)
        try:
            yield granted
        finally:
            with self._changed:
                self._free += granted
                self._changed.notify_all()
