"""Talking to a booted system: scripts go in, statuses and outputs come back.

An agent in the guest, a few lines of shell, reads requests and writes answers, one a line. Its
channel is a pair of FIFOs in a shared folder, or a virtio-serial port: both are byte streams.
"""

from __future__ import annotations

import math
import os
import re
import secrets
import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.boot.errors import GuestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bakery.boot.console import Console
    from bakery.boot.process import Child

AGENT_NAME = "bakery-agent.service"
OVER = "/run/bakery-over"  # is there once the system was told to power off
_START = 90.0
_STOP = 60.0
_GRACE = 30.0
_CHUNK = 1 << 16
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Requests are lines, `MARK SECONDS SCRIPT`, the script as printf's %b takes it; answers are both
# outputs, each with the mark behind it, and the status. A boot asks often, so few programs run for
# it. One end of a FIFO is held open for writing, so that reading it never ends.
AGENT = """\
exec 3<>"$1"
if [ "$1" = "$2" ]; then exec 4>&3; else exec 4<>"$2"; fi
here=$PWD
echo ready >&4
while read -r mark seconds script <&3; do
  printf %b "$script" >script
  (cd / && exec timeout -k 1 "$seconds" sh "$here/script") \\
    >stdout 2>stderr </dev/null 3<&- 4>&-
  status=$?
  for each in stdout stderr; do
    [ ! -s $each ] || cat $each
    printf %s "$mark"
  done >&4
  echo "$status" >&4
done
"""

# Before anything else, so that even a system that hangs while it boots can be asked why; and before
# the merge, which may hide the shell from it.
AGENT_UNIT = """\
[Unit]
DefaultDependencies=no
RequiresMountsFor={share}
After=bakery-setup.service {after}
Before=systemd-sysext.service
Wants={after}
[Service]
Type=exec
Environment=HOME=/root PATH={path}
RuntimeDirectory=bakery-agent
WorkingDirectory=/run/bakery-agent
ExecStart=/bin/sh {share}/agent {requests} {answers}
[Install]
WantedBy=sysinit.target
"""
SETUP_UNIT = """\
[Unit]
DefaultDependencies=no
RequiresMountsFor={share}
After=systemd-remount-fs.service local-fs.target
Before=systemd-sysext.service
[Service]
Type=oneshot
RemainAfterExit=yes
Environment=PATH={path}
ExecStart=/bin/sh {share}/setup
[Install]
WantedBy=sysinit.target
"""
# Starting it takes until default.target is there, and fails once that can't be, whatever became of
# it. The manager itself is "starting" as long as any unit is, even one that nothing waits for.
BOOTED = "bakery-booted.target"
_BOOTED_UNIT = """\
[Unit]
DefaultDependencies=no
Requisite=default.target
After=default.target
"""


def units(share: str, requests: str, answers: str, *, after: str = "") -> dict[str, str]:
    """Return the guest's units by name.

    Args:
        share: the folder that has what it is given, setup and agent among it.
        requests: what the agent reads.
        answers: what it writes.
        after: a unit that must be there before.

    """
    agent = AGENT_UNIT.format(
        share=share, path=_PATH, requests=requests, answers=answers, after=after
    )
    return {
        AGENT_NAME: agent,
        "bakery-setup.service": SETUP_UNIT.format(share=share, path=_PATH),
        BOOTED: _BOOTED_UNIT,
    }


def wants(units: Mapping[str, str]) -> dict[str, str]:
    """Return the links that enable units, by path below the units' folder."""
    return {
        f"{target}.wants/{name}": f"../{name}"
        for name, text in units.items()
        for target in re.findall("(?m)^WantedBy=(.+)$", text)
    }


def image_path(share: str, number: int, name: str) -> str:
    """Return where a guest finds the image of that number and name."""
    return f"{share}/images/{number}/{name}"


@dataclass(frozen=True)
class Answer:
    """How a script ended; 124 is the status of one that was not done in time."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True, kw_only=True)
class Guest:
    """A running system.

    Attributes:
        child: the process that is the machine.
        console: what it shows and takes.
        reader: where answers are read.
        writer: where requests are written.
        slowdown: how many times longer everything may take than on a usual computer.
        own_memory: whether it has memory of its own, so that only few can run at once.

    """

    child: Child
    console: Console
    reader: int
    writer: int
    slowdown: float = 1
    own_memory: bool = False

    def wait_ready(self) -> None:
        """Return once the agent is there.

        Raises:
            GuestError: the machine ended, or was not that far in time.

        """
        self._read(re.compile(rb"ready\n"), _START * self.slowdown, "start")

    def ask(self, script: str, *, limit: float = 30) -> Answer:
        """Run a shell script as root and return how it ended.

        Args:
            script: for sh; its standard input is empty.
            limit: seconds after which it is ended, times the guest's slowdown; 0 for never.

        Raises:
            GuestError: the system is gone or does not answer.

        """
        mark = secrets.token_hex(16)
        seconds = math.ceil(limit * self.slowdown)
        escaped = script.replace("\\", r"\\").replace("\n", r"\n")
        os.write(self.writer, f"{mark} {seconds} {escaped}\n".encode())
        answer = re.compile(f"(.*){mark}(.*){mark}([0-9]+)\n".encode(), re.DOTALL)
        words = self._read(answer, seconds + _GRACE if limit else None, "answer")
        stdout, stderr, status = (word.decode("utf-8", "replace") for word in words)
        return Answer(int(status), stdout, stderr)

    def power_off(self) -> bool:
        """Return whether the system powers off in time when it is told to."""
        self.ask(f": >{OVER}; kill -s RTMIN+4 1")  # poweroff.target: see systemd(1)
        return self.child.wait(_STOP * self.slowdown)

    def _read(
        self, expected: re.Pattern[bytes], seconds: float | None, what: str
    ) -> Sequence[bytes]:
        """Return the groups of what is expected, once it is all that came."""
        deadline = None if seconds is None else time.monotonic() + seconds
        received = bytearray()
        while not (received.endswith(b"\n") and (match := expected.fullmatch(received))):
            if deadline is not None and time.monotonic() > deadline:
                raise self.lost(f"the booted system did not {what} within {seconds:.0f} s")
            ended = self.child.ended()
            if select.select([self.reader], [], [], 0 if ended else 0.2)[0]:
                received.extend(os.read(self.reader, _CHUNK))
            elif ended:
                raise self.lost(f"the system ended before it could {what}")
            elif dead := self.console.last_words():
                raise self.lost(f"the system died before it could {what}: {dead}")
        return match.groups()

    def lost(self, what: str) -> GuestError:
        """Return the error that the system is gone, with what its console said last."""
        return GuestError(what, why=f"its console's last lines:\n{self.console.tail()}")
