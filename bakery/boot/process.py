"""The one process that is a machine: it never outlives the boot that started it.

A machine may well have nothing to do, so it is not watched as other programs are: whoever waits for
its answers says for how long.
"""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bakery import interrupts
from bakery.boot.errors import MachineError
from bakery.tools import Tool, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SETPRIV = Tool(program="setpriv", apt="util-linux")
_KILL_TIMEOUT = 2.0


class Child:
    """A process that was started here."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ended(self) -> bool:
        """Return whether it is over."""
        return self._process.poll() is not None

    def wait(self, seconds: float) -> bool:
        """Return whether it ends within so many seconds."""
        if self.ended():
            return True
        descriptor = os.pidfd_open(self._process.pid)  # tells at once; Popen.wait() looks again
        try:
            select.select([descriptor], [], [], seconds)
        finally:
            os.close(descriptor)
        return self.ended()

    def kill(self, _: object = None) -> None:
        """Kill its children: a container does not end with what started it, but that with it."""
        if not self.ended():
            for pid in _children(self._process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        """End it by force, its children first."""
        self.kill()
        if not self.wait(_KILL_TIMEOUT):
            self._process.kill()
            self._process.wait()


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
    except OSError:
        return []
    return [int(word) for word in text.split()]


@contextmanager
def child(
    command: Sequence[str],
    *,
    terminal: int,
    inherited: Sequence[int] = (),
    variables: Mapping[str, str] | None = None,
) -> Iterator[Child]:
    """Start a command; it ends with the context, with the thread that started it, with the program.

    Args:
        command: program and arguments.
        terminal: its standard input and outputs.
        inherited: further descriptors that it is given.
        variables: what its environment has, besides what every program is told.

    Raises:
        MachineError: it can't be started.

    """
    with ExitStack() as registered:
        with interrupts.starting():
            started = Child(_process(command, terminal, inherited, variables or {}))
            registered.enter_context(interrupts.ended_with(started.kill))
        registered.callback(started.end)
        yield started


def _process(
    command: Sequence[str], terminal: int, inherited: Sequence[int], variables: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [_SETPRIV.require(), "--pdeathsig", "KILL", "--", *command],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            pass_fds=inherited,
            env={**environment(), **variables},
            start_new_session=True,
        )
    except OSError as error:
        raise MachineError(
            "the machine can't be started", where=shlex.join(command), why=str(error)
        ) from error
