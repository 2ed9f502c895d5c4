"""Processors shared by tasks that run side by side."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        with self._changed:
            self._queue.append(turn)
            self._changed.wait_for(lambda: self._queue[0] is turn and self._free >= granted)
            self._queue.popleft()
            self._free -= granted
            self._changed.notify_all()
        try:
            yield granted
        finally:
            with self._changed:
                self._free += granted
                self._changed.notify_all()
