"""Whether a running program still does something, with all that it started: proc(5)."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator

_PROC = Path("/proc")
_LOOKS = 30  # in the time that a program may be idle
_LEAST_SHARE = 0.01  # of a processor: a hung program may still wake up now and then
_DISK_SLEEP = "D"


class Process(NamedTuple):
    """One process, as `/proc/PID/stat` shows it.

    Attributes:
        pid, parent, session: numbers.
        name: its program's, at most 15 characters of it.
        state: one letter.
        ticks: processor time of all its threads, in units of `SC_CLK_TCK`.
        started: when, in these units; with `pid` it tells processes apart for ever.

    """

    pid: int
    parent: int
    session: int
    name: str
    state: str
    ticks: int
    started: int


class _Sample(NamedTuple):
    moved: frozenset[tuple[int, str]]
    ticks: int


class Family:
    """A process that leads a session, and what descends from it, in other sessions too."""

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._known: set[tuple[int, int]] = set()

    def members(self) -> list[Process]:
        """Return those that are there now; none where there is no /proc."""
        everybody = list(_processes())
        found = {
            process.pid: process
            for process in everybody
            if process.session == self._leader or (process.pid, process.started) in self._known
        }
        while more := [p for p in everybody if p.parent in found and p.pid not in found]:
            found |= {process.pid: process for process in more}
        self._known = {(process.pid, process.started) for process in found.values()}
        return list(found.values())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of them, as far as this user may."""
        members = [process.pid for process in self.members()]
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._leader, number)
        for pid in members:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


class Watch:
    """Measures for how long a family has neither read nor written nor computed.

    Waiting for a disk counts as work, and time in which the watcher itself stood still, as on a
    suspended machine, does not count. Where nothing can be seen, nothing is called idle.

    Args:
        leader: the process that leads the session.
        patience: seconds in which it may do nothing.

    """

    def __init__(self, leader: int, patience: float) -> None:
        self.family = Family(leader)
        self.patience = patience
        self.interval = patience / _LOOKS
        self._idle = 0.0
        self._least = max(1, patience * _LEAST_SHARE * os.sysconf("SC_CLK_TCK"))
        self._looked = time.monotonic()
        self._last = _Sample(frozenset(), 0)

    def has_hung(self) -> bool:
        """Look again, if it is time, and return whether the patience is over."""
        passed = time.monotonic() - self._looked
        if passed < self.interval:
            return False
        self._looked += passed
        members = self.family.members()
        sample = _sampled(members)
        if self._is_active(sample, members):
            self._last, self._idle = sample, 0.0
        else:
            self._idle += min(passed, 2 * self.interval)
        return self._idle >= self.patience

    def _is_active(self, sample: _Sample, members: list[Process]) -> bool:
        return (
            not members
            or sample.moved != self._last.moved
            or sample.ticks - self._last.ticks >= self._least
            or any(_waits_for_disk(process) for process in members)
        )


def _processes() -> Iterator[Process]:
    """Yield what runs; nothing where /proc is missing, or is that of another namespace."""
    with suppress(OSError), os.scandir(_PROC) as entries:
        if (_PROC / "self").readlink().name != str(os.getpid()):
            return
        for entry in entries:
            if entry.name.isdecimal():
                with suppress(OSError):  # it is gone
                    yield parsed(Path(entry.path, "stat").read_text("utf-8", "replace"))


def parsed(stat: str) -> Process:
    """Return what a file `/proc/PID/stat` says; names may hold blanks and brackets."""
    head, _, tail = stat.rpartition(")")
    pid, _, name = head.partition(" (")
    fields = tail.split()
    return Process(
        pid=int(pid),
        parent=int(fields[1]),
        session=int(fields[3]),
        name=name,
        state=fields[0],
        ticks=int(fields[11]) + int(fields[12]),
        started=int(fields[19]),
    )


def _sampled(members: list[Process]) -> _Sample:
    return _Sample(
        frozenset((process.pid, _moved(process)) for process in members),
        sum(process.ticks for process in members),
    )


def _moved(process: Process) -> str:
    """Return what a process has read and written so far; to others, its processor time tells."""
    try:
        return (_PROC / str(process.pid) / "io").read_text("utf-8")
    except OSError:
        return str(process.ticks)


def _waits_for_disk(process: Process) -> bool:
    with suppress(OSError):
        for stat in (_PROC / str(process.pid) / "task").glob("*/stat"):
            if parsed(stat.read_text("utf-8", "replace")).state == _DISK_SLEEP:
                return True
    return False
