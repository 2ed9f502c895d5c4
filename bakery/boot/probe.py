"""Expectations as probes: a script for the guest, and a judge of its answer."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bakery.recipe.expectations import (
    CommandExpectation,
    Expectations,
    FileExpectation,
    ListenExpectation,
    Pattern,
    Socket,
    Text,
    UnitExpectation,
)
from bakery.recipe.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bakery.boot.guest import Answer

_SETTLED = 1_000_000  # microseconds for which an active unit must have been active
_GIVEN_UP = 3_000_000  # microseconds after which nobody restarts a failed unit any more
_SHOWN = 2000
_JOURNAL = (
    "journalctl --boot --quiet --priority=err --output=json --cursor-file=/run/bakery-cursor"
    " --output-fields=SYSLOG_IDENTIFIER,_COMM,MESSAGE"
)


@dataclass(frozen=True)
class Verdict:
    """What an answer means.

    Attributes:
        holds: whether it is as it must be.
        detail: what is wrong.
        final: whether it makes no sense to ask again.

    """

    holds: bool
    detail: str = ""
    final: bool = False


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One thing that must hold.

    Attributes:
        title: what must hold, in words.
        script: what is run in the guest.
        judge: what its answer means.
        timeout: seconds until it must hold; 0 to ask once.
        unit: the unit it is about, whose log explains a failure.

    """

    title: str
    script: str
    judge: Callable[[Answer], Verdict]
    timeout: int
    unit: str | None = None


def probes(
    expected: Expectations,
    *,
    start: Sequence[str],
    known_errors: Sequence[str],
    systemd: int,
) -> Iterator[Probe]:
    """Yield a probe for everything that must hold, in the order to ask.

    Args:
        expected: what check.yaml says.
        start: units that must be active even if it does not say so.
        known_errors: patterns of errors in the journal that are no matter.
        systemd: the version that runs; what is expected on others only is left out.

    """
    units = _units(expected.units, start)
    everything: list[tuple[Any, Callable[[Any], Probe]]] = [
        *((unit, _unit) for unit in units),
        *((_listener(socket), _listening) for socket in expected.listen),
        *((FileExpectation(path=f) if isinstance(f, str) else f, _file) for f in expected.files),
        *((command, _command) for command in expected.commands),
        *((unit, _still) for unit in units if unit.state == "active"),
    ]
    for expectation, probe in everything:
        if _applies(expectation, systemd):
            yield probe(expectation)
    yield _journal((*expected.journal.ignore, *map(Pattern, known_errors)))


def _units(
    expected: Sequence[str | UnitExpectation], start: Sequence[str]
) -> Sequence[UnitExpectation]:
    units = [UnitExpectation(name=unit) if isinstance(unit, str) else unit for unit in expected]
    named = {unit.name for unit in units}
    return [UnitExpectation(name=name) for name in start if name not in named] + units


def _listener(
    listener: Socket | ListenExpectation,
) -> ListenExpectation:
    return (
        listener if isinstance(listener, ListenExpectation) else ListenExpectation(socket=listener)
    )


def _applies(expectation: Any, systemd: int) -> bool:
    condition = expectation.systemd
    return condition is None or condition.holds(Version.parse(str(systemd)))


def _unit(unit: UnitExpectation) -> Probe:
    def judge(answer: Answer) -> Verdict:
        facts = dict(line.split("=", 1) for line in answer.stdout.splitlines() if "=" in line)
        state = facts.get("ActiveState", "unknown")
        age = _age(facts)
        if state == unit.state and (state != "active" or age >= _SETTLED):
            return Verdict(True)
        if facts.get("LoadState") == "not-found":
            return Verdict(False, f"systemd knows no unit {unit.name}", final=True)
        result = facts.get("Result", "success")
        reason = "" if result == "success" else f", result: {result}"
        given_up = state == "failed" and (result == "start-limit-hit" or age >= _GIVEN_UP)
        return Verdict(False, f"it is {state} ({facts.get('SubState')}{reason})", final=given_up)

    properties = "LoadState,ActiveState,SubState,Result,StateChangeTimestampMonotonic"
    return Probe(
        title=f"{unit.name} is {unit.state}",
        script=f"systemctl show --property={properties} -- {shlex.quote(unit.name)}\n"
        'read -r now rest </proc/uptime; echo "Now=$now"',
        judge=judge,
        timeout=unit.timeout,
        unit=unit.name,
    )


def _age(facts: dict[str, str]) -> float:
    """Return for how many microseconds a unit has been in its state."""
    return float(facts.get("Now", 0)) * 1e6 - int(facts.get("StateChangeTimestampMonotonic") or 0)


def _still(unit: UnitExpectation) -> Probe:
    def judge(answer: Answer) -> Verdict:
        state = answer.stdout.strip()
        return Verdict(state == "active", f"it was active, and is {state} now")

    return Probe(
        title=f"{unit.name} stays active",
        script=f"systemctl is-active -- {shlex.quote(unit.name)}",
        judge=judge,
        timeout=0,
        unit=unit.name,
    )


def _listening(listener: ListenExpectation) -> Probe:
    socket = listener.socket
    unix = socket.kind == "unix"

    def judge(answer: Answer) -> Verdict:
        if answer.status != 0:
            return Verdict(False, answer.stderr.strip())
        column = 4 if unix else 3  # ss names the kind of Unix sockets first
        local = [line.split()[column] for line in answer.stdout.splitlines()]
        places = local if unix else [address.rpartition(":")[2] for address in local]
        if socket.address in places:
            return Verdict(True)
        return Verdict(False, f"nobody listens there, only on {', '.join(local) or 'nothing'}")

    return Probe(
        title=f"{socket} is listened on",
        script=f"ss --no-header --listening --numeric --{socket.kind}",
        judge=judge,
        timeout=listener.timeout,
    )


def _file(file: FileExpectation) -> Probe:
    def judge(answer: Answer) -> Verdict:
        there = answer.status == 0
        if there != file.exists:
            return Verdict(False, "it is there" if there else "there is no such file")
        if not there:
            return Verdict(True)
        mode, _, content = answer.stdout.partition("\n")
        if file.mode is not None and int(mode, 8) != int(file.mode, 8):
            return Verdict(False, f"its mode is {int(mode, 8):04o}")
        complaint = file.content.mismatch(content)
        return Verdict(complaint is None, f"it {complaint}\n{_shortened(content)}")

    path = shlex.quote(file.path)
    read = f"cat -- {path}" if file.content != Text() else ":"
    return Probe(
        title=f"{file.path} " + ("exists" if file.exists else "does not exist"),
        script=f"test -e {path} && stat -Lc %a -- {path} && {read}",
        judge=judge,
        timeout=file.timeout,
    )


def _command(command: CommandExpectation) -> Probe:
    line = command.run if isinstance(command.run, str) else shlex.join(command.run)

    def judge(answer: Answer) -> Verdict:
        complaints = [
            f"its exit status is {answer.status}, not {command.status}"
            if answer.status != command.status
            else None,
            _about("output", command.stdout.mismatch(answer.stdout)),
            _about("error output", command.stderr.mismatch(answer.stderr)),
        ]
        wrong = [complaint for complaint in complaints if complaint]
        said = [_shortened(text) for text in (answer.stdout, answer.stderr) if text.strip()]
        return Verdict(not wrong, "\n".join([*wrong, *said]))

    return Probe(
        title=f"command: {line.strip()}", script=line, judge=judge, timeout=command.timeout
    )


def _about(what: str, complaint: str | None) -> str | None:
    return complaint and f"its {what} {complaint}"


def _shortened(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _journal(ignored: Sequence[Pattern]) -> Probe:
    def judge(answer: Answer) -> Verdict:
        # without entries, systemd 252 ends with 1 and says nothing
        if answer.status > 1 or (answer.status == 1 and answer.stderr):
            return Verdict(False, f"journalctl ended with {answer.status}\n{answer.stderr.strip()}")
        entries = [_entry(json.loads(line)) for line in answer.stdout.splitlines()]
        errors = [
            entry for entry in entries if not any(pattern.matches(entry) for pattern in ignored)
        ]
        return Verdict(not errors, _shortened("\n".join(dict.fromkeys(errors))))

    return Probe(title="the journal has no errors", script=_JOURNAL, judge=judge, timeout=0)


def _entry(fields: dict[str, Any]) -> str:
    """Return an entry as `program: message`; journald gives text that is not UTF-8 as numbers."""
    program = fields.get("SYSLOG_IDENTIFIER") or fields.get("_COMM") or "kernel"
    message = fields.get("MESSAGE") or ""
    if isinstance(message, list):
        message = bytes(message).decode("utf-8", "replace")
    return f"{program}: {str(message).rstrip()}"
