"""Asking a booted system until all that must hold does, or its time is over."""

from __future__ import annotations

import shlex
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from bakery import trace
from bakery.boot import hints
from bakery.boot.guest import BOOTED
from bakery.boot.report import ProbeResult, concise
from bakery.processors import lent, waited

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bakery.boot.guest import Guest
    from bakery.boot.verdict import Probe
    from bakery.progress import Tell

BOOTS = "the system boots"
_INTERVAL = 0.1
_LONGEST = 1.0  # seconds until something new is noticed where only time will tell
_BOOTING = 90.0
_ONCE = 10.0
_STATE = f"systemctl start {BOOTED} && echo active || systemctl is-system-running"
_NO_PROGRAM = 127  # what sh says of a program that is not there


def booted(guest: Guest) -> ProbeResult:
    """Wait until the boot is over, whether or not all went well.

    Raises:
        GuestError: the system can't come up any more.

    """
    began = time.monotonic()
    while _since(began) < _BOOTING * guest.slowdown:
        answer = guest.ask(_STATE)
        if answer.stdout.split()[-1:] in (["running"], ["degraded"], ["active"]):
            return ProbeResult(title=BOOTS, passed=True, seconds=_since(began))
        if answer.status == _NO_PROGRAM:
            raise guest.lost("the host lost its own programs: not even systemctl is there")
        if "maintenance" in answer.stdout:
            raise guest.lost("the host ended in emergency mode")
        time.sleep(_INTERVAL)
    jobs = guest.ask("systemctl list-jobs --no-pager; systemctl --failed --no-pager").stdout
    return ProbeResult(title=BOOTS, passed=False, detail=jobs, seconds=_since(began))


def results(
    guest: Guest,
    probes: Iterable[Probe],
    variables: Mapping[str, str],
    *,
    patient: bool,
    tell: Tell,
) -> Iterator[ProbeResult]:
    """Yield what every probe shows.

    Once one failed, nothing more is waited for, and a unit that failed is not asked about again.

    Args:
        guest: the booted system.
        probes: what must hold.
        variables: the environment of every probe's script.
        patient: whether to wait for what does not hold yet.
        tell: told what is asked next.

    """
    exports = "".join(f"export {key}={shlex.quote(text)}\n" for key, text in variables.items())
    failed: set[str] = set()
    for probe in probes:
        if probe.unit in failed:
            continue
        tell(probe.title)
        with trace.span(probe.title, "probe"):
            result = _ask(guest, probe, exports, probe.timeout if patient else 0)
        if result is None:
            continue
        if not result.passed:
            patient = False
            failed.update([probe.unit] if probe.unit else ())
        yield result


def _ask(guest: Guest, probe: Probe, exports: str, timeout: float) -> ProbeResult | None:
    """Return what a probe shows; None if that is nothing worth a line."""
    began = time.monotonic()
    while True:
        left = timeout - _since(began) / guest.slowdown
        answer = guest.ask(exports + probe.script, limit=max(1, left) if timeout else _ONCE)
        verdict = probe.judge(answer)
        if verdict.holds:
            passed = ProbeResult(title=probe.title, passed=True, seconds=_since(began))
            return None if probe.quiet else passed
        if probe.once or verdict.final or _since(began) >= timeout * guest.slowdown:
            break
        before = waited()
        with lent() if verdict.pending and not guest.own_memory else nullcontext():
            time.sleep(min(verdict.pending, _LONGEST) or _INTERVAL)
        began += waited() - before
    if verdict.pending and not timeout:
        return None
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
    text = f"{status.strip()}\n{concise(log)}".strip()
    return "\n".join(filter(None, [text, _declared(guest, text)]))


def _declared(guest: Guest, log: str) -> str:
    """Return the lines of sysusers.d that declare an account which a unit did not find."""
    missing = hints.missing_account(log)
    if missing is None:
        return ""
    pattern = shlex.quote(rf"^[ug]!?[[:space:]]+{missing}([[:space:]]|$)")
    return guest.ask(f"grep -E {pattern} /usr/lib/sysusers.d/*.conf /dev/null").stdout.strip()


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
