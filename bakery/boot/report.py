"""What a boot showed, as values, and as text for people."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

_LAST_LINES = 12


def concise(log: str) -> str:
    """Return a log's last lines, each line once: what restarts often says the same often."""
    lines = (line.rstrip() for line in log.splitlines())
    return "\n".join(list(dict.fromkeys(filter(None, lines)))[-_LAST_LINES:])


Outcome = Literal["passed", "failed", "skipped", "not for this one"]


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that had to hold.

    Attributes:
        title: what had to hold.
        passed: whether it did.
        detail: what was wrong, with the logs that show it; empty when it passed.
        meaning: the probable reason in plain words.
        seconds: how long it took to hold, or was waited for.

    """

    title: str
    passed: bool
    detail: str = ""
    meaning: str | None = None
    seconds: float = 0


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What one set of images showed.

    Attributes:
        images: their names.
        merged: those that systemd-sysext merged.
        results: everything that had to hold.

    """

    images: tuple[str, ...]
    merged: tuple[str, ...]
    results: tuple[ProbeResult, ...]


class BootReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a boot showed.

    Attributes:
        backend: what ran the machine.
        system: what booted.
        systemd: its version; None when it did not get that far.
        rounds: the first images, and those that replaced them in the running system.
        journal: the file that has the journal; None when there is none.
        journal_sha256: its digest.
        seconds: how long everything took.
        skipped: why nothing was booted; None when it was.
        unfit: why the images are not for this machine; None when they are.

    """

    backend: str
    system: str
    systemd: str | None = None
    rounds: tuple[Round, ...] = ()
    journal: str | None = None
    journal_sha256: str | None = None
    seconds: float = 0
    skipped: str | None = None
    unfit: str | None = None

    @property
    def machine(self) -> str:
        """The machine's name, such as `nspawn:trixie`."""
        return f"{self.backend}:{self.system}"

    @property
    def outcome(self) -> Outcome:
        """Whether everything held; what was not booted did not pass."""
        if self.skipped is not None:
            return "skipped"
        if self.unfit is not None:
            return "not for this one"
        return "failed" if self.failures or not self.rounds else "passed"

    @property
    def failures(self) -> tuple[ProbeResult, ...]:
        """Everything that did not hold."""
        return tuple(result for each in self.rounds for result in each.results if not result.passed)


def passed(reports: Sequence[BootReport]) -> bool:
    """Return whether images passed everywhere they are for, and that somewhere."""
    outcomes = {report.outcome for report in reports}
    return "passed" in outcomes and outcomes <= {"passed", "not for this one"}


def render(report: BootReport) -> str:
    """Return the report as lines of plain text."""
    where = f"{report.backend}, {report.system}"
    if report.skipped is not None:
        return f"skipped on {where}: {report.skipped}"
    if report.unfit is not None:
        return f"not for this one: {where}: {report.unfit}"
    lines = [
        f"{report.outcome} on {where}, systemd {report.systemd or '?'}, {report.seconds:.1f} s"
    ]
    for number, each in enumerate(report.rounds):
        verb = "while the system ran, replaced by" if number else "merged at boot"
        lines.append(f"  {verb}: {', '.join(each.merged) or 'nothing'}")
        for result in each.results:
            lines.extend(_finding(result))
    if report.journal is not None:
        lines.append(f"  journal: {report.journal}")
    return "\n".join(lines)


def _finding(result: ProbeResult) -> list[str]:
    if result.passed:
        return [f"  ✓ {result.title}"]
    lines = [f"  ✗ {result.title}"]
    if result.meaning:
        lines.extend(
            textwrap.wrap(result.meaning, 94, initial_indent=" " * 6, subsequent_indent=" " * 6)
        )
    lines.extend(f"      | {line}" for line in result.detail.splitlines())
    return lines
