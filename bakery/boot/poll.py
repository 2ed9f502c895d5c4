"""Asking a booted system until all that must hold does, or its time is over."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

from bakery.boot import hints
from bakery.boot.report import ProbeResult, concise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bakery.boot.guest import Guest
    from bakery.boot.probe import Probe

_INTERVAL = 0.2
_BOOTING = 90.0
_ONCE = 10.0


def booted(guest: Guest) -> ProbeResult:
    """Wait until the boot is over, whether or not all went well."""
    began = time.monotonic()
    title = "the system boots"
    while _since(began) < _BOOTING * guest.slowdown:
        if guest.ask("systemctl is-system-running").stdout.strip() in {"running", "degraded"}:
            return ProbeResult(title=title, passed=True, seconds=_since(began))
        time.sleep(_INTERVAL)
    jobs = guest.ask("systemctl list-jobs --no-pager; systemctl --failed --no-pager").stdout
    return ProbeResult(title=title, passed=False, detail=jobs, seconds=_since(began))


def results(
    guest: Guest, wanted: Iterable[Probe], variables: Mapping[str, str], *, patient: bool
) -> Iterator[ProbeResult]:
    """Yield what every probe shows.

    Once one failed, nothing more is waited for, and a unit that failed is not asked about again.

    Args:
        guest: the booted system.
        wanted: what must hold.
        variables: the environment of every probe's script.
        patient: whether to wait for what does not hold yet.

    """
    exports = "".join(f"export {key}={shlex.quote(text)}\n" for key, text in variables.items())
    failed: set[str] = set()
    for probe in wanted:
        if probe.unit in failed:
            continue
        result = _ask(guest, probe, exports, probe.timeout if patient else 0)
        if not result.passed:
            patient = False
            failed.update([probe.unit] if probe.unit else ())
        yield result


def _ask(guest: Guest, probe: Probe, exports: str, timeout: float) -> ProbeResult:
    began = time.monotonic()
    while True:
        left = timeout - _since(began) / guest.slowdown
        answer = guest.ask(exports + probe.script, limit=max(1, left) if timeout else _ONCE)
        verdict = probe.judge(answer)
        if verdict.holds:
            return ProbeResult(title=probe.title, passed=True, seconds=_since(began))
        if verdict.final or _since(began) >= timeout * guest.slowdown:
            break
        time.sleep(_INTERVAL)
    detail = "\n".join(filter(None, [verdict.detail, _log(guest, probe.unit)]))
    return ProbeResult(
        title=probe.title,
        passed=False,
        detail=detail,
        meaning=hints.meaning(detail),
        seconds=_since(began),
    )


def _log(guest: Guest, unit: str | None) -> str:
    if unit is None:
        return ""
    name = shlex.quote(unit)
    status = guest.ask(f"systemctl status --no-pager --full --lines=0 -- {name}").stdout
    log = guest.ask(f"journalctl --boot --quiet --output=cat --lines=200 --unit={name}").stdout
    return f"{status.strip()}\n{concise(log)}".strip()


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
