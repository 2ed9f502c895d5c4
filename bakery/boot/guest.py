"""Talking to a booted system: scripts go in, statuses and outputs come back.

An agent in the guest, a few lines of shell, reads requests and writes answers, one a line. Its
channel is a pair of FIFOs in a shared folder, or a virtio-serial port: both are byte streams.
"""

from __future__ import annotations

import base64
import math
import os
import select
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from bakery.boot.errors import GuestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.boot.console import Console
    from bakery.boot.process import Child

SHARE = "/run/bakery"
OVER = "/run/bakery-over"  # is there once the system was told to power off
_START = 90.0
_STOP = 60.0
_GRACE = 30.0
_CHUNK = 1 << 16
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Requests are `NUMBER SECONDS SCRIPT`, answers `NUMBER STATUS STDOUT STDERR`; the last words of
# both in base64. One end of a FIFO is held open for writing, so that reading it never ends.
AGENT = """\
exec 3<>"$1"
if [ "$1" = "$2" ]; then exec 4>&3; else exec 4<>"$2"; fi
mkdir -p /run/bakery-agent && cd /run/bakery-agent || exit
echo ready >&4
while read -r number seconds script <&3; do
  printf %s "$script" | base64 -d >script
  (cd / && exec timeout -k 1 "$seconds" sh /run/bakery-agent/script) \\
    >stdout 2>stderr </dev/null 3<&- 4>&-
  status=$?
  { printf '%s %s ' "$number" "$status"
    base64 -w0 stdout; printf ' '; base64 -w0 stderr; echo; } >&4
done
"""

# Before anything else, so that even a system that hangs while it boots can be asked why.
AGENT_UNIT = """\
[Unit]
DefaultDependencies=no
RequiresMountsFor=/run/bakery
After=bakery-setup.service {after}
Wants={after}
[Service]
Environment=HOME=/root PATH={path}
ExecStart=/bin/sh /run/bakery/agent {requests} {answers}
[Install]
WantedBy=sysinit.target
"""
SETUP_UNIT = f"""\
[Unit]
DefaultDependencies=no
RequiresMountsFor=/run/bakery
After=systemd-remount-fs.service local-fs.target
Before=systemd-sysext.service
[Service]
Type=oneshot
RemainAfterExit=yes
Environment=PATH={_PATH}
ExecStart=/bin/sh /run/bakery/setup
[Install]
WantedBy=sysinit.target
"""


def units(requests: str, answers: str, *, after: str = "") -> dict[str, str]:
    """Return the guest's units by name; the agent reads `requests` and writes `answers`."""
    agent = AGENT_UNIT.format(path=_PATH, requests=requests, answers=answers, after=after)
    return {"bakery-agent.service": agent, "bakery-setup.service": SETUP_UNIT}


def image_path(number: int, name: str) -> str:
    """Return where the guest finds the image of that number and name."""
    return f"{SHARE}/images/{number}/{name}"


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

    """

    child: Child
    console: Console
    reader: int
    writer: int
    slowdown: float = 1
    _numbers: Iterator[int] = field(default_factory=count)
    _received: bytearray = field(default_factory=bytearray)

    def wait_ready(self) -> None:
        """Return once the agent is there.

        Raises:
            GuestError: the machine ended, or was not that far in time.

        """
        if self._line(_START * self.slowdown, "start") != b"ready":
            raise self.lost("the booted system's agent said something strange")

    def ask(self, script: str, *, limit: float = 30) -> Answer:
        """Run a shell script as root and return how it ended.

        Args:
            script: for sh; its standard input is empty.
            limit: seconds after which it is ended, times the guest's slowdown; 0 for never.

        Raises:
            GuestError: the system is gone or does not answer.

        """
        number = next(self._numbers)
        seconds = math.ceil(limit * self.slowdown)
        encoded = base64.b64encode(script.encode()).decode()
        os.write(self.writer, f"{number} {seconds} {encoded}\n".encode())
        line = self._line(seconds + _GRACE if limit else None, "answer")
        answered, status, stdout, stderr = line.split(b" ")
        if int(answered) != number:
            raise self.lost("the booted system's agent answered another question")
        return Answer(int(status), _decode(stdout), _decode(stderr))

    def power_off(self) -> bool:
        """Return whether the system powers off in time when it is told to."""
        self.ask(f"touch {OVER}; systemctl --no-block poweroff")
        return self.child.wait(_STOP * self.slowdown)

    def _line(self, seconds: float | None, what: str) -> bytes:
        deadline = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._received:
            if deadline is not None and time.monotonic() > deadline:
                raise self.lost(f"the booted system did not {what} within {seconds:.0f} s")
            ended = self.child.ended()
            if select.select([self.reader], [], [], 0 if ended else 0.2)[0]:
                self._received.extend(os.read(self.reader, _CHUNK))
            elif ended:
                raise self.lost(f"the system ended before it could {what}")
            elif dead := self.console.last_words():
                raise self.lost(f"the system died before it could {what}: {dead}")
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received[:] = rest
        return line

    def lost(self, what: str) -> GuestError:
        """Return the error that the system is gone, with what its console said last."""
        return GuestError(what, why=f"its console's last lines:\n{self.console.tail()}")


def _decode(word: bytes) -> str:
    return base64.b64decode(word).decode("utf-8", "replace")
