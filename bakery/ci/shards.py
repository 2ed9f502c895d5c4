"""Work divided among runners, so that the last of them ends as early as it can.

What several jobs share, such as an asset, is done once by each runner that has one of them. So jobs
that share something stay together where that costs no time: first whole families of jobs are given
out, the longest first, each to whoever is then done earliest (Graham's LPT rule); while that ends
late, families are cut into smaller parts, at last into single jobs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Kind = TypeVar("Kind", bound=str)

_GOOD = 1.03  # times the bound; what is cut further would only be done twice
_PARTS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one runner does from its beginning to its end.

    Attributes:
        name: tells it from others.
        pieces: its work, as seconds by name; a piece of the same name is the same work.

    """

    name: str
    pieces: Mapping[str, float]

    @cached_property
    def seconds(self) -> float:
        """How long it takes alone."""
        return sum(self.pieces.values())


@dataclass
class Load:
    """What one runner has to do.

    Attributes:
        jobs: its jobs.
        pieces: their work, each piece once.
        seconds: how long it takes.

    """

    jobs: list[Job] = field(default_factory=list)
    pieces: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def more(self, pieces: Mapping[str, float]) -> float:
        """Return the seconds that pieces of work would add."""
        return sum(each for name, each in pieces.items() if name not in self.pieces)

    def take(self, other: Load) -> None:
        """Take over what another was to do."""
        self.jobs += other.jobs
        self.seconds += self.more(other.pieces)
        self.pieces.update(other.pieces)

    @classmethod
    def of(cls, jobs: Iterable[Job]) -> Load:
        """Return the load of some jobs."""
        pieces: dict[str, float] = {}
        for job in (jobs := list(jobs)):
            pieces.update(job.pieces)
        return cls(jobs=jobs, pieces=pieces, seconds=sum(pieces.values()))


def bound(jobs: Sequence[Job], count: int) -> float:
    """Return the seconds that nobody can do better than: a fair share, or the longest job."""
    return max(Load.of(jobs).seconds / count, *(job.seconds for job in jobs), 0.0)


def makespan(loads: Iterable[Load]) -> float:
    """Return the seconds after which the last runner is done."""
    return max((load.seconds for load in loads), default=0.0)


def divide(jobs: Sequence[Job], count: int) -> list[Load]:
    """Return jobs divided among `count` runners at most; each job has exactly one.

    The last runner ends at most a third later than with the best division there is, where jobs
    share nothing (R. L. Graham, Bounds on Multiprocessing Timing Anomalies, 1969).
    """
    least = bound(jobs, count)
    whole = families(jobs)
    plans = []
    for largest in (*(least / parts for parts in _PARTS), 0.0):
        loads = _longest_first([part for each in whole for part in _cut(each, largest)], count)
        plans.append(loads)
        if makespan(loads) <= least * _GOOD:
            break
    return min(plans, key=makespan)


def shares(seconds: Mapping[Kind, float], count: int) -> dict[Kind, int]:
    """Return how many of `count` runners are of each kind, by its work; one at least."""
    counts = dict.fromkeys(seconds, 1)
    for _ in range(count - len(counts) if counts else 0):
        neediest = max(counts, key=lambda kind: seconds[kind] / counts[kind])
        counts[neediest] += 1
    return counts


def families(jobs: Iterable[Job]) -> list[list[Job]]:
    """Return jobs together with those that they share a piece with, directly or by others."""
    first: dict[str, str] = {}
    leader: dict[str, str] = {}

    def lead(name: str) -> str:
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    ordered = sorted(jobs, key=lambda job: job.name)
    for job in ordered:
        leader[job.name] = job.name
        for piece in job.pieces:
            leader[lead(first.setdefault(piece, job.name))] = lead(job.name)
    by_leader: dict[str, list[Job]] = defaultdict(list)
    for job in ordered:
        by_leader[lead(job.name)].append(job)
    return list(by_leader.values())


def _cut(family: Sequence[Job], largest: float) -> Iterator[Load]:
    """Yield a family in parts of so many seconds at most, or of one job."""
    part = Load()
    for job in family:
        if part.jobs and part.seconds + part.more(job.pieces) > largest:
            yield part
            part = Load()
        part.take(Load.of([job]))
    yield part


def _longest_first(parts: Iterable[Load], count: int) -> list[Load]:
    ordered = sorted(parts, key=lambda part: (-part.seconds, part.jobs[0].name))
    uses = Counter(name for part in ordered for name in part.pieces)
    loads = [Load() for _ in range(min(count, len(ordered)))]
    for part in ordered:
        shared = {name: each for name, each in part.pieces.items() if uses[name] > 1}
        min(loads, key=lambda load: load.seconds - _known(load, shared)).take(part)
    return loads


def _known(load: Load, pieces: Mapping[str, float]) -> float:
    """Return the seconds of those pieces that a runner does anyway."""
    return sum(each for name, each in pieces.items() if name in load.pieces)
