"""Boots of the same images on several machines, side by side."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from bakery import trace
from bakery.boot.session import Deployment, boot
from bakery.processors import add_waited, waited

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bakery.boot.machine import Machine
    from bakery.boot.report import BootReport
    from bakery.progress import TellPart


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is booted, and how.

    Attributes:
        deployments: what is there at boot, and what replaces it one after the other.
        folder: takes a journal for each machine, named after it.
        turn: waits until the computer has room for one boot more, and holds it.
        tell: told what goes on: a machine's name, and what it does.

    """

    deployments: Sequence[Deployment]
    folder: Path
    turn: Callable[[], AbstractContextManager[object]]
    tell: TellPart

    def on(self, machines: Sequence[Machine]) -> list[BootReport]:
        """Boot on every machine at once, and return what each showed.

        Raises:
            BakeryError: a machine can't be made or started.

        """
        boots = [_Boot(self, machine) for machine in machines]
        for each in boots:
            each.thread.start()
        for each in boots:
            each.thread.join()
        add_waited(max((each.waited for each in boots), default=0.0))
        return [each.result() for each in boots]

    def on_one(self, machine: Machine, *, shell: bool = False) -> BootReport:
        """Boot on one machine, with a shell in it for the user if that is asked for.

        Raises:
            BakeryError: the machine can't be made or started.

        """
        name = f"{machine.backend}:{machine.system}"
        first, *then = self.deployments
        with self.turn(), trace.span(f"boot on {name}", "machine"):
            return boot(
                first,
                machine=machine,
                journal=self.folder / f"{name}.journal",
                then=then,
                shell=shell,
                tell=partial(self.tell, name),
            )


@dataclass
class _Boot:
    """A boot in a thread of its own, which does not keep an interrupted program from ending."""

    trial: Trial
    machine: Machine
    thread: threading.Thread = field(init=False)
    waited: float = 0.0
    _report: BootReport | None = None
    _error: BaseException | None = None

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, name=self.machine.system, daemon=True)

    def _run(self) -> None:
        try:
            self._report = self.trial.on_one(self.machine)
        except BaseException as error:  # noqa: BLE001  raised again by who waits
            self._error = error
        self.waited = waited()

    def result(self) -> BootReport:
        """Return what the boot showed, or raise what kept it from that."""
        if self._report is None:
            raise self._error or RuntimeError("the boot has not ended")
        return self._report
