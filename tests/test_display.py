from __future__ import annotations

import io
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from harness.hand_clock import Clock
from harness.processes import until

from bakery import display as display_module
from bakery.display import SILENCE, Display, Overall, Row, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WHEEL = "fetch:0123456789ab-" + "tool-" * 20 + "x86_64.whl"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def display(clock: Clock) -> Iterator[Display]:
    with Display(lambda: Overall(done=12, all=40, left=80), clock=clock) as display:
        yield display


def downloading(display: Display, clock: Clock) -> Row:
    row = display.begin(WHEEL)
    row.expect(1010 << 20)
    clock.seconds += 4
    row.advance(1000 << 20)
    return row


@pytest.mark.parametrize("width", [*range(20, 141)])
def test_no_line_is_wider_than_the_terminal(display: Display, clock: Clock, width: int) -> None:
    downloading(display, clock)
    boot = display.begin("boot:caddy-2.11.7-x86-64")
    boot.tell("caddy.service stays active for 5 seconds", of="nspawn:bookworm")
    boot.tell("debootstrap: Retrieving a package with a rather long name", of="nspawn:trixie")
    display.begin("squash:caddy-2.11.7-x86-64")
    lines = display.lines(width, 20)
    assert len(lines) == 5
    assert all(len(line) <= width for line in lines)
    assert lines[-1].endswith(("left", "done")) or width < 28


def test_what_finds_no_room_is_left_out(display: Display, clock: Clock) -> None:
    downloading(display, clock).task = "fetch:tool-1.0-py3-none-manylinux_2_17_x86_64.whl"
    row = display.begin("boot:caddy-2.11.7-x86-64")
    row.tell("caddy.service is active", of="nspawn:trixie")
    shown = [
        " ".join(line.split()) for width in (100, 57, 40) for line in display.lines(width, 20)[:2]
    ]
    assert shown == [
        "fetch tool-1.0-py3-none-manylinux_2_17_x86_64.whl 1000.0 MiB of 1010.0 MiB 4 s",
        "boot caddy-2.11.7-x86-64 nspawn:trixie caddy.service is active 0 s",
        "fetch tool-1.0-py3-none-…ux_2_17_x86_64.whl 99 % 4 s",
        "boot caddy-2.1…wn:trixie caddy.service is acti… 0 s",
        "fetch tool-1.0-…x86_64.whl 99 % 4 s",
        "boot caddy-…trixie caddy.serv… 0 s",
    ]


def test_the_overall_line_says_how_far_all_is(display: Display, clock: Clock) -> None:
    downloading(display, clock)
    assert [display.lines(width, 20)[-1] for width in (90, 57, 40, 32, 20)] == [
        "━━━━────────────  12 of 40 done, 1 running, 2.0 GiB/s, 1:20 left",
        "12 of 40 done, 1 running, 2.0 GiB/s, 1:20 left",
        "12 of 40 done, 1 running, 1:20 left",
        "12 of 40 done, 1:20 left",
        "12 of 40 done, 1:20 ",
    ]


def test_machines_have_a_line_each(display: Display) -> None:
    row = display.begin("boot:caddy-2.11.7-x86-64")
    row.tell("boots", of="nspawn:bookworm")
    row.tell("boots", of="nspawn:trixie")
    row.tell("caddy.service is active", of="nspawn:trixie")
    first, second, _ = display.lines(90, 20)
    assert first.split() == ["boot", "caddy-2.11.7-x86-64", "nspawn:bookworm", "boots", "0", "s"]
    assert second.startswith("boot    caddy-2.11.7-x86-64 nspawn:trixie ")
    assert second.endswith(" caddy.service is active    0 s")


def test_a_low_terminal_shows_the_first_rows_and_the_overall_line(display: Display) -> None:
    for number in range(9):
        display.begin(f"stage:tool-{number}")
    lines = display.lines(80, 5)
    assert [line.split()[:2] for line in lines[:3]] == [["stage", f"tool-{n}"] for n in range(3)]
    assert lines[3] == "and 6 more"
    assert "12 of 40" in lines[4]
    assert len(display.lines(80, 1)) == 2


def test_after_silence_a_line_says_what_runs_and_how_far_it_is(
    display: Display, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    row = downloading(display, clock)
    row.task = "fetch:tool.whl"
    display.begin("boot:a-1-x86-64").tell("boots", of="nspawn:trixie")
    for name in "bc":
        display.begin(f"stage:{name}-1-x86-64")
    display.remind()
    assert capsys.readouterr().out == ""
    clock.seconds += SILENCE
    display.remind()
    display.remind()
    assert capsys.readouterr().out == (
        "12 of 40 done, 4 running, 0 bytes/s, 1:20 left:"
        " fetch tool.whl 1000.0 MiB of 1010.0 MiB (14 s);"
        " boot a-1-x86-64 nspawn:trixie: boots (10 s); stage b-1-x86-64 (10 s); and 1 more\n"
    )
    clock.seconds += SILENCE - 1
    display.say("a line")
    clock.seconds += 1
    display.remind()
    assert capsys.readouterr().out == "a line\n"


def test_a_thread_reminds(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Display(clock=clock) as display:
        display.begin("stage:tool-1.0-x86-64")
        clock.seconds += SILENCE
        assert display._watching is not None
        said = ""

        def reminded() -> bool:
            nonlocal said
            said += capsys.readouterr().out
            return said.endswith("\n")

        until(reminded)
    assert said == "stage tool-1.0-x86-64 (10 s)\n"
    display._watching.join(60)
    assert not display._watching.is_alive()


def test_what_lasts_is_said_where_nothing_is_live(capsys: pytest.CaptureFixture[str]) -> None:
    for live in (True, False):
        with told("boot", live=live) as tell:
            tell("nspawn:trixie", "boots")
            tell("nspawn:trixie", "makes a Debian", lasting=True)
        assert capsys.readouterr().err == "boot: nspawn:trixie: makes a Debian\n"


class _Screen(io.StringIO):
    """A terminal without an end: what it was sent, and the lines that stand on it."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        lines, at = [""], 0
        for part in re.split(r"(\n|\x1b\[1A|\x1b\[2K|\x1b\[\?25[lh]|\r)", self.getvalue()):
            if part == "\n":
                at += 1
                lines += [""] * (at == len(lines))
            elif part == "\x1b[1A":
                at -= 1
            elif part == "\x1b[2K":
                lines[at] = ""
            elif not part.startswith(("\x1b", "\r")):
                lines[at] += part
        return [line for line in lines if line]


def test_lines_that_stay_are_never_wiped_out(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(display_module, "_REFRESH", 10_000)
    monkeypatch.setenv("TERM", "xterm")
    for name in ("CI", "TTY_COMPATIBLE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    said = [f"line {number}" for number in range(400)]

    def say(lines: Sequence[str]) -> None:
        for line in lines:
            rows = [shown.begin(f"stage:{line}-{number}") for number in range(5)]
            shown.say(line)
            for row in rows:
                shown.end(row)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with Display() as shown, ThreadPoolExecutor(4) as threads:
            [*threads.map(say, (said[part::4] for part in range(4)))]
    finally:
        sys.setswitchinterval(interval)
    assert sorted(screen.lines()) == sorted(said)
