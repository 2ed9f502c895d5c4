"""How far a run is, and how long the rest will probably take."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.display import Overall

if TYPE_CHECKING:
    from collections.abc import Callable

_ASSET = 4 << 20  # bytes of one whose size nobody knows


@dataclass
class _Kind:
    """Tasks of one kind that are over: their work, in bytes for assets, and their seconds."""

    done: float = 0
    seconds: float = 0


class Pace:
    """Counts tasks, and learns from those that are over how long others of their kind take.

    Args:
        clock: tells the time, in seconds.

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._work: dict[str, float] = {}
        self._kinds: dict[str, _Kind] = defaultdict(_Kind)
        self._running: dict[str, float] = {}
        self._began: float | None = None
        self._all = 0

    def expect(self, task: str, size: int | None = None) -> None:
        """Take a task into account; of an asset, the size tells how much work it is."""
        self._work[task] = (size or _ASSET) if task.startswith("fetch:") else 1
        self._all += 1

    def begin(self, task: str) -> None:
        """Take note that a task runs."""
        self._running[task] = self._clock()
        self._began = self._running[task] if self._began is None else self._began

    def end(self, task: str) -> None:
        """Take note that a task is over, or need not be done."""
        work = self._work.pop(task, None)
        if work is None:
            return
        began = self._running.pop(task, None)
        if began is not None:
            kind = self._kinds[task.partition(":")[0]]
            kind.done += work
            kind.seconds += self._clock() - began

    def overall(self) -> Overall:
        """Return how far all is; while others tell of tasks, too, so it goes by copies."""
        return Overall(done=self._all - len(self._work), all=self._all, left=self._left())

    def _left(self) -> float | None:
        """Return the seconds of all tasks that are left, shared among as many as ran at once.

        A kind of which none is over yet takes as long as other kinds, fetch apart.
        """
        known = {name: kind for name, kind in [*self._kinds.items()] if kind.done}
        others = [kind for name, kind in known.items() if name != "fetch"]
        if self._began is None or not known:
            return None
        now, left = self._clock(), 0.0
        for task, work in [*self._work.items()]:
            kind = known.get(task.partition(":")[0])
            if kind is None and not others:
                return None
            like = [kind] if kind else others
            seconds = work * sum(k.seconds for k in like) / sum(k.done for k in like)
            left += max(0.0, seconds - (now - self._running.get(task, now)))
        spent = sum(kind.seconds for kind in known.values())
        spent += sum(now - began for began in [*self._running.values()])
        at_once = max(1.0, spent / max(0.001, now - self._began))
        return left / at_once
