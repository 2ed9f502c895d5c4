"""Boots of the same images on several machines, side by side."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass
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
        boots = [self._begun(machine) for machine in machines]
        wait(boots)
        shown = [each.result() for each in boots]
        add_waited(max((seconds for _, seconds in shown), default=0.0))
        return [report for report, _ in shown]

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

    def _begun(self, machine: Machine) -> Future[tuple[BootReport, float]]:
        """Return what a boot is to show, and for how long it waited for its turn.

        Its thread does not keep an interrupted program from ending.
        """
        future: Future[tuple[BootReport, float]] = Future()

        def run() -> None:
            try:
                future.set_result((self.on_one(machine), waited()))
            except BaseException as error:  # noqa: BLE001  raised again by who waits
                future.set_exception(error)

        threading.Thread(target=run, name=machine.system, daemon=True).start()
        return future
