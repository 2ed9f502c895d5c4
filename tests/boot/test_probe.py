from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bakery.boot.guest import Answer
from bakery.boot.inspect import Shipped
from bakery.boot.probe import Host, probes
from bakery.recipe.condition import Condition
from bakery.recipe.expectations import (
    CommandExpectation,
    Expectations,
    FileExpectation,
    Journal,
    Socket,
    Text,
    UnitExpectation,
)
from bakery.recipe.types import Pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.boot.verdict import Probe, Verdict

NOW = "Now=100.00\n"
NOTHING = Shipped()
HOSTS = "the host's own units stay up"  # asked always; test_host_probe.py is about it


def ask(probe: Probe, stdout: str = "", *, status: int = 0, stderr: str = "") -> Verdict:
    return probe.judge(Answer(status, stdout, stderr))


def only(expected: Expectations) -> Probe:
    return asked(expected)[0]


def asked(
    expected: Expectations,
    *,
    start: Sequence[str] = (),
    shipped: Shipped = NOTHING,
    systemd: int = 257,
    virtual: bool = False,
    errors: Sequence[str] = (),
) -> list[Probe]:
    host = Host(arch="x86-64", systemd=systemd, virtual=virtual, known_errors=errors)
    asking = probes(expected, start=start, shipped=shipped, host=host)
    return [probe for probe in asking if probe.title != HOSTS]


def unit_state(
    state: str,
    since: int,
    *,
    result: str = "success",
    load: str = "loaded",
    run: str = "1",
    restarts: int = 0,
) -> str:
    return (
        f"InvocationID={run}\nNRestarts={restarts}\n"
        f"LoadState={load}\nActiveState={state}\nSubState=x\nResult={result}\n"
        f"StateChangeTimestampMonotonic={since}\nActiveEnterTimestampMonotonic={since}\n{NOW}"
    )


@pytest.mark.parametrize(
    ("answer", "holds", "final"),
    [
        (unit_state("active", 99_900_000), True, False),
        (unit_state("activating", 1), False, False),
        (unit_state("failed", 99_900_000, result="exit-code"), False, False),
        (unit_state("failed", 96_000_000, result="exit-code"), False, True),
        (unit_state("failed", 99_900_000, result="start-limit-hit"), False, True),
        (unit_state("inactive", 0, load="not-found"), False, True),
    ],
)
def test_a_unit_becomes_active(answer: str, *, holds: bool, final: bool) -> None:
    verdict = ask(only(Expectations(units=("a.service",))), answer)
    assert (verdict.holds, verdict.final) == (holds, final)


def test_the_units_of_start_come_first_and_once() -> None:
    expected = Expectations(units=(UnitExpectation(name="a.service", timeout=99),))
    asking = asked(expected, start=["b.service", "a.service"])
    assert [probe.title for probe in asking] == [
        "b.service is active",
        "a.service is active",
        "b.service stays active for 5 s",
        "a.service stays active for 5 s",
        "b.service is still active",
        "a.service is still active",
        "the journal has no errors",
    ]
    assert asking[1].timeout == 99


def test_the_hosts_units_are_looked_at_before_commands_may_stop_some_and_again_afterwards() -> None:
    host = Host(arch="x86-64", systemd=257, virtual=False)
    expected = Expectations(units=("a.service",), commands=(CommandExpectation(run="true"),))
    asking = [each.title for each in probes(expected, start=(), shipped=NOTHING, host=host)]
    assert asking[2:5] == [HOSTS, "command: true", HOSTS]
    assert HOSTS in [
        each.title for each in probes(Expectations(), start=(), shipped=NOTHING, host=host)
    ]


def test_what_is_for_another_systemd_is_left_out() -> None:
    unit = UnitExpectation(name="a.service", systemd=Condition.parse(">= 257"))
    expected = Expectations(units=(unit,))
    assert len(asked(expected, systemd=252)) == 1
    assert len(asked(expected, systemd=257)) == 3
    command = CommandExpectation(run="true", arch="arm64")
    assert len(asked(Expectations(commands=(command,)))) == 1


def watched(window: int, *answers: str) -> list[Verdict]:
    """Return what is said of a unit that is active, each time that it is looked at again."""
    unit = UnitExpectation(name="a.service", window=window)
    comes, stays, *_ = asked(Expectations(units=(unit,)))
    assert ask(comes, unit_state("active", 95_000_000, run="1")).holds
    return [ask(stays, answer) for answer in answers]


def test_a_unit_stays_active_for_its_window() -> None:
    young, old = watched(
        9, unit_state("active", 95_000_000, run="1"), unit_state("active", 90_000_000, run="1")
    )
    assert (young.holds, young.pending > 0, young.final) == (False, True, False)
    assert old.holds


def test_a_timer_that_has_just_gone_off_stays_active_all_the_same() -> None:
    state = unit_state("active", 90_000_000)
    gone_off = state.replace("StateChangeTimestampMonotonic=90", "StateChangeTimestampMonotonic=99")
    (verdict,) = watched(9, gone_off)
    assert verdict.holds


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (unit_state("inactive", 99_000_000, run="1"), "did not stay up: it is inactive"),
        (unit_state("active", 90_000_000, run="2"), "ended and was started again"),
        (unit_state("active", 90_000_000, run="2", restarts=3), "restarted it 3 times"),
        (
            unit_state("activating", 99_000_000, run="1", restarts=1),
            "restarted it 1 time,",
        ),
        (
            unit_state("activating", 99_000_000).replace("SubState=x", "SubState=auto-restart"),
            "did not stay up: it ended, and it is activating (auto-restart",
        ),
    ],
)
def test_another_run_of_a_unit_is_not_the_same(answer: str, words: str) -> None:
    (verdict,) = watched(5, answer)
    assert verdict.final
    assert words in verdict.detail


def test_a_command_may_restart_a_unit_and_systemd_may_not() -> None:
    command = CommandExpectation(run="systemctl restart a.service")
    comes, _, _, still, _ = asked(Expectations(units=("a.service",), commands=(command,)))
    assert ask(comes, unit_state("active", 95_000_000, run="1")).holds
    assert ask(still, unit_state("active", 99_000_000, run="2")).holds
    assert not ask(still, unit_state("activating", 99_000_000, run="2")).final
    assert not ask(still, unit_state("active", 99_000_000, run="2", restarts=1)).holds
    assert ask(still, unit_state("failed", 99_000_000, run="2")).final


@pytest.mark.parametrize(
    ("facts", "holds"),
    [
        ("UpheldBy=multi-user.target\n", False),
        ("WantedBy=multi-user.target\n", False),
        ("", True),
        ("UpheldBy=multi-user.target\nConditionResult=no\nConditionTimestampMonotonic=9\n", True),
        ("UpheldBy=multi-user.target\nConditionResult=no\nUpheldNow=yes\n", False),
        ("UpheldBy=rescue.target\nConditionResult=no\nConditionTimestampMonotonic=0\n", True),
        ("UpheldBy=multi-user.target\nType=oneshot\nInvocationID=1\n", True),
        ("WantedBy=multi-user.target\nTriggeredBy=a.socket\n", True),
        ("InvocationID=1\n", False),
    ],
)
def test_what_an_image_ships_must_run_if_something_starts_it(facts: str, *, holds: bool) -> None:
    probe = asked(Expectations(), shipped=Shipped(units=("a.service",)))[0]
    assert probe.title == "a.service runs"
    assert ask(probe, f"ActiveState=inactive\nResult=success\n{facts}{NOW}").holds == holds
    assert not ask(probe, f"ActiveState=failed\nResult=exit-code\n{facts}{NOW}").holds


@pytest.mark.parametrize(("kind", "holds"), [("oneshot", True), ("simple", False)])
def test_what_nobody_named_may_end_when_it_has_done_its_work(kind: str, *, holds: bool) -> None:
    comes, stays, *_ = asked(Expectations(), shipped=Shipped(units=("app-setup@1.service",)))
    assert ask(comes, unit_state("active", 99_000_000, run="1")).holds
    ended = f"Type={kind}\n{unit_state('inactive', 99_500_000, run='1')}"
    assert ask(stays, ended).holds == holds


def test_a_variable_must_be_what_an_image_says() -> None:
    shipped = Shipped(sysctls=("/usr/lib/sysctl.d/a.conf",))
    for virtual in (False, True):
        probe = asked(Expectations(), shipped=shipped, virtual=virtual)[0]
        assert ask(probe, "net.ipv4.tcp_rmem|4096 1 2|4096 1 2|yes\n").holds
        said = ask(probe, "kernel.x|1|0|no\n").detail
        assert "kernel.x is 0, and not 1" in said
        assert ("say `machine: vm`" in said) != virtual


@pytest.mark.parametrize(
    ("systemd", "said"),
    [
        (252, "Unknown user 'app', ignoring"),
        (257, "Unknown group 'app', ignoring."),
        (262, "Failed to resolve group 'app', ignoring: Unknown group"),
    ],
)
def test_an_account_that_rules_name_may_come_a_moment_later(systemd: int, said: str) -> None:
    shipped = Shipped(rules=("/usr/lib/udev/rules.d/90-a.rules",))
    probe = asked(Expectations(), shipped=shipped, systemd=systemd)[0]
    verdict = ask(probe, f"/usr/lib/udev/rules.d/90-a.rules:1 {said}\n", status=1)
    assert not verdict.holds
    assert not verdict.final
    assert probe.timeout > 0


def test_rules_are_read_and_where_there_is_udev_applied() -> None:
    shipped = Shipped(rules=("/usr/lib/udev/rules.d/90-a.rules",))
    old, new = (asked(Expectations(), shipped=shipped, systemd=each)[0] for each in (252, 257))
    assert "udevadm verify" in new.script
    assert ask(new, status=1, stderr="90-a.rules:1 Invalid key\n").detail
    assert not ask(old, "/usr/lib/udev/rules.d/90-a.rules:1 Unknown key\n").holds
    assert ask(old, "/usr/lib/udev/rules.d/50-b.rules:1 Unknown key\n").holds
    dumb = "Failed to parse rules file: No such file or directory\n"
    assert ask(new, status=1, stderr=dumb).detail == dumb.strip()
    assert ask(new, status=1).detail == "udevadm ends with status 1"
    assert ask(new, "/usr/lib/udev/rules.d/90-a.rules:1 Invalid key\n", status=1).final
    harmless = "90-a.rules:1 The line takes no effect, ignoring.\n"
    assert ask(new, status=1, stderr=harmless).holds
    assert ask(new).holds
    assert ask(old, status=1).holds  # grep found no complaint
    applied = asked(Expectations(), shipped=shipped, virtual=True)[1]
    assert "udevadm trigger" in applied.script
    assert not ask(applied, "a: Process '/usr/bin/a' failed with exit code 1.\n").holds
    assert ask(applied, "/usr/lib/udev/rules.d/90-a.rules:1 Unknown group 'a', ignoring\n").holds
    assert ask(applied, "\n").holds


def test_a_command_can_run_once_and_as_somebody() -> None:
    command = CommandExpectation(run="id -un", once=True, user="nobody")
    probe = only(Expectations(commands=(command,)))
    assert probe.once
    assert "--reuid=nobody" in probe.script


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
    (probe,) = asked(expected, errors=["b$"])
    assert ask(probe, "").holds
    assert ask(probe, journal("a x", "x b")).holds
    assert ask(probe, status=1).holds
    assert "ended with 1\nno journal" in ask(probe, status=1, stderr="no journal").detail
    assert "ended with 124" in ask(probe, status=124).detail
    assert ask(probe, journal("c", [0x63, 0xFF], None)).detail == "prog: c\nprog: c�\nprog:"
