from __future__ import annotations

import json

import pytest

from bakery.boot.guest import Answer
from bakery.boot.probe import Probe, Verdict, probes
from bakery.recipe.condition import Condition
from bakery.recipe.expectations import (
    CommandExpectation,
    Expectations,
    FileExpectation,
    Journal,
    Pattern,
    Socket,
    Text,
    UnitExpectation,
)

NOW = "Now=100.00\n"


def ask(probe: Probe, stdout: str = "", *, status: int = 0, stderr: str = "") -> Verdict:
    return probe.judge(Answer(status, stdout, stderr))


def only(expected: Expectations) -> Probe:
    return next(probes(expected, start=[], known_errors=[], systemd=257))


def unit_state(state: str, since: int, *, result: str = "success", load: str = "loaded") -> str:
    return (
        f"LoadState={load}\nActiveState={state}\nSubState=x\nResult={result}\n"
        f"StateChangeTimestampMonotonic={since}\n{NOW}"
    )


@pytest.mark.parametrize(
    ("answer", "holds", "final"),
    [
        (unit_state("active", 98_000_000), True, False),
        (unit_state("active", 99_900_000), False, False),
        (unit_state("activating", 1), False, False),
        (unit_state("failed", 99_900_000, result="exit-code"), False, False),
        (unit_state("failed", 96_000_000, result="exit-code"), False, True),
        (unit_state("failed", 99_900_000, result="start-limit-hit"), False, True),
        (unit_state("inactive", 0, load="not-found"), False, True),
    ],
)
def test_an_active_unit_has_been_so_for_a_while(answer: str, *, holds: bool, final: bool) -> None:
    verdict = ask(only(Expectations(units=("a.service",))), answer)
    assert (verdict.holds, verdict.final) == (holds, final)


def test_the_units_of_start_come_first_and_once() -> None:
    expected = Expectations(units=(UnitExpectation(name="a.service", timeout=99),))
    found = list(probes(expected, start=["b.service", "a.service"], known_errors=[], systemd=257))
    assert [probe.title for probe in found] == [
        "b.service is active",
        "a.service is active",
        "b.service stays active",
        "a.service stays active",
        "the journal has no errors",
    ]
    assert found[1].timeout == 99


def test_what_is_for_another_systemd_is_left_out() -> None:
    unit = UnitExpectation(name="a.service", systemd=Condition.parse(">= 257"))
    expected = Expectations(units=(unit,))
    assert len(list(probes(expected, start=[], known_errors=[], systemd=252))) == 1
    assert len(list(probes(expected, start=[], known_errors=[], systemd=257))) == 3


SOCKETS = """\
LISTEN 0 4096 127.0.0.1:8080 0.0.0.0:*
LISTEN 0 4096 *:80 *:*
"""


@pytest.mark.parametrize(
    ("socket", "holds"), [("tcp/80", True), ("tcp/8080", True), ("tcp/808", False)]
)
def test_ports_are_told_apart(socket: str, *, holds: bool) -> None:
    probe = only(Expectations(listen=(Socket.parse(socket),)))
    assert ask(probe, SOCKETS).holds is holds


def test_a_unix_socket_is_known_by_its_whole_path() -> None:
    line = "u_str LISTEN 0 4096 /run/docker.sock 1234 * 0\n"
    for path, holds in (("/run/docker.sock", True), ("/docker.sock", False)):
        probe = only(Expectations(listen=(Socket.parse(path),)))
        assert ask(probe, line).holds is holds


def test_files_have_a_mode_and_a_content() -> None:
    file = FileExpectation(path="/etc/x", mode="0644", content=Text(contains="yes"))
    probe = only(Expectations(files=(file,)))
    assert ask(probe, "644\nyes\n").holds
    assert ask(probe, "755\nyes\n").detail == "its mode is 0755"
    assert "does not contain 'yes'" in ask(probe, "644\nno\n").detail
    assert ask(probe, status=1).detail == "there is no such file"


def test_files_can_be_unwanted() -> None:
    probe = only(Expectations(files=(FileExpectation(path="/etc/x", exists=False),)))
    assert ask(probe, status=1).holds
    assert ask(probe, "644\n").detail == "it is there"


def test_commands_say_everything_that_is_wrong() -> None:
    command = CommandExpectation(run=("echo", "a b"), stdout=Text(equals="a b"))
    probe = only(Expectations(commands=(command,)))
    assert probe.script == "echo 'a b'"
    assert ask(probe, "a b\n").holds
    detail = ask(probe, "c", status=3, stderr="oh").detail
    assert detail.splitlines() == [
        "its exit status is 3, not 0",
        "its output is not 'a b'",
        "c",
        "oh",
    ]


def journal(*messages: object) -> str:
    lines = ({"SYSLOG_IDENTIFIER": "prog", "MESSAGE": message} for message in messages)
    return "\n".join(json.dumps(line) for line in lines)


def test_errors_in_the_journal_are_a_matter_unless_ignored() -> None:
    expected = Expectations(journal=Journal(ignore=(Pattern("^prog: a"),)))
    (probe,) = probes(expected, start=[], known_errors=["b$"], systemd=257)
    assert ask(probe, "").holds
    assert ask(probe, journal("a x", "x b")).holds
    assert ask(probe, status=1).holds
    assert "ended with 1\nno journal" in ask(probe, status=1, stderr="no journal").detail
    assert "ended with 124" in ask(probe, status=124).detail
    assert ask(probe, journal("c", [0x63, 0xFF], None)).detail == "prog: c\nprog: c�\nprog:"
