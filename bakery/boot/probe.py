"""Expectations as probes: a script for the guest, and a judge of its answer."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bakery.boot import host_probe, system_probe, unit_probe
from bakery.boot.verdict import Probe, Verdict
from bakery.recipe.expectations import (
    CommandExpectation,
    Expectations,
    FileExpectation,
    ListenExpectation,
    Socket,
    Text,
    UnitExpectation,
)
from bakery.recipe.types import Pattern
from bakery.recipe.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bakery.arch import Arch
    from bakery.boot.guest import Answer
    from bakery.boot.inspect import Shipped

_SHOWN = 2000
_JOURNAL = (
    "journalctl --boot --quiet --priority=err --output=json --cursor-file=/run/bakery-cursor"
    " --output-fields=SYSLOG_IDENTIFIER,_COMM,MESSAGE"
)


@dataclass(frozen=True, kw_only=True)
class Host:
    """What is known of the booted system.

    Attributes:
        arch: its architecture.
        systemd: the version that runs.
        virtual: whether it has a kernel and udev of its own.
        known_errors: patterns of errors in its journal that are no matter.

    """

    arch: Arch
    systemd: int
    virtual: bool
    known_errors: Sequence[str] = ()


def probes(
    expected: Expectations, *, start: Sequence[str], shipped: Shipped, host: Host
) -> Iterator[Probe]:
    """Yield a probe for everything that must hold, in the order to ask.

    Args:
        expected: what check.yaml says.
        start: units that must be active even if it does not say so.
        shipped: what the images brought; units among it that were started must run.
        host: what is asked; what is expected on others only is left out.

    """
    units = [unit for unit in expected_units(expected, start) if _applies(unit, host)]
    watches = [unit_probe.Watch(unit) for unit in units]
    named = {unit.name for unit in units}
    watches += [
        unit_probe.Watch(UnitExpectation(name=name), implied=True)
        for name in shipped.units
        if name not in named and name.rpartition(".")[2] in unit_probe.WATCHED
    ]
    everything: list[tuple[Any, Callable[[Any], Probe]]] = [
        *((_listener(socket), _listening) for socket in expected.listen),
        *((FileExpectation(path=f) if isinstance(f, str) else f, _file) for f in expected.files),
    ]
    yield from system_probe.probes(shipped, host.systemd, virtual=host.virtual)
    yield from (watch.comes() for watch in watches)
    yield from (probe(each) for each, probe in everything if _applies(each, host))
    lasting = [watch for watch in watches if watch.lasting]
    yield from (watch.stays() for watch in lasting)
    yield host_probe.probe(shipped, named)
    commands = [_command(each) for each in expected.commands if _applies(each, host)]
    yield from commands
    if commands:
        yield host_probe.probe(shipped, named, caused=True)
    if commands or len(lasting) > 1:  # else it was seen a moment ago
        yield from (watch.still() for watch in lasting)
    yield _journal((*expected.journal.ignore, *map(Pattern, host.known_errors)))


def expected_units(expected: Expectations, start: Sequence[str]) -> list[UnitExpectation]:
    """Return what is expected of units: of those that images start, and of those that are named."""
    units = [UnitExpectation(name=u) if isinstance(u, str) else u for u in expected.units]
    named = {unit.name for unit in units}
    return [UnitExpectation(name=name) for name in start if name not in named] + units


def _listener(listener: Socket | ListenExpectation) -> ListenExpectation:
    return (
        listener if isinstance(listener, ListenExpectation) else ListenExpectation(socket=listener)
    )


def _applies(expectation: Any, host: Host) -> bool:
    condition = expectation.systemd
    return expectation.arch in {None, host.arch} and (
        condition is None or condition.holds(Version.parse(str(host.systemd)))
    )


def _listening(listener: ListenExpectation) -> Probe:
    socket = listener.socket
    unix = socket.kind == "unix"

    def judge(answer: Answer) -> Verdict:
        if answer.status != 0:
            return Verdict(False, answer.stderr.strip())
        column = 4 if unix else 3  # ss names the kind of Unix sockets first
        local = [line.split()[column] for line in answer.stdout.splitlines()]
        listening = local if unix else [address.rpartition(":")[2] for address in local]
        if socket.address in listening:
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

    script = line if command.user is None else _as_user(command.user, line)
    return Probe(
        title=f"command: {line.strip()}",
        script=script,
        judge=judge,
        timeout=command.timeout,
        once=command.once,
    )


def _as_user(user: str, line: str) -> str:
    become = shlex.join(["setpriv", f"--reuid={user}", "--init-groups"])
    group = f'--regid="$(id -g {user})"'
    return f"{become} {group} -- sh -c {shlex.quote(line)}"


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
