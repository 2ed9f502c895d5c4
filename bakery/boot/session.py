"""Booting images: merged by systemd, their units up, everything expected of them holding."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bakery.boot import merge, poll
from bakery.boot.errors import GuestError, MachineError
from bakery.boot.guest import image_path
from bakery.boot.machine import BootImage, Load, Machine
from bakery.boot.probe import probes
from bakery.boot.report import BootReport, ProbeResult, Round
from bakery.recipe.expectations import Expectations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bakery.boot.guest import Guest

_SHELL = """\
systemd-run --quiet --wait --collect --service-type=exec --setenv=HOME=/root \\
  --setenv=TERM=xterm --property=StandardInput=tty-force --property=StandardOutput=tty \\
  --property=StandardError=tty --property=TTYPath=/dev/console --working-directory=/root \\
  /bin/bash --login -i
"""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Images that are on a host together, and what they are for.

    Attributes:
        images: the image and those it requires.
        start: units that the images start.
        expected: what check.yaml says; empty when there is none.
        variables: what expected commands find in their environment.

    """

    images: Sequence[BootImage]
    start: Sequence[str] = ()
    expected: Expectations = field(default_factory=Expectations)
    variables: Mapping[str, str] = field(default_factory=dict)


def boot(
    deployment: Deployment,
    *,
    machine: Machine,
    journal: Path,
    then: Sequence[Deployment] = (),
    shell: bool = False,
) -> BootReport:
    """Boot a throw-away system with images, and see whether all holds that must.

    What does not hold is in the report, and no exception. What the console showed is kept beside
    the journal, with the suffix `.console`.

    Args:
        deployment: what is there when the system boots.
        machine: what boots.
        journal: the file that keeps the journal, as text.
        then: what replaces it, one after the other, in the running system.
        shell: give the user a shell in the system before it ends.

    Raises:
        MachineError: an image is missing, or the machine can't be made or started.
        MissingToolError: a program that it needs is not installed.

    """
    began = time.monotonic()
    if shell and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise MachineError("a shell needs a terminal", fix="leave out the shell, or use a terminal")
    if obstacle := machine.obstacle():
        return BootReport(backend=machine.backend, system=machine.system, skipped=obstacle)
    for image in (image for each in (deployment, *then) for image in each.images):
        if not image.path.exists():
            raise MachineError(
                "there is no such image", where=str(image.path), fix="build it: doit build:NAME"
            )
    journal.parent.mkdir(parents=True, exist_ok=True)
    placed = _placed([deployment, *then])
    load = Load(
        setup=merge.links(placed[0]),
        images=[image.path for images in placed for image, _ in images],
        log=journal.with_name(f"{journal.name}.console"),
    )
    session = _Session(machine, journal)
    try:
        with machine.start(load) as guest:
            session.run(guest, list(zip([deployment, *then], placed, strict=True)), shell=shell)
    except GuestError as error:
        session.lost(deployment, error)
    return BootReport(
        backend=machine.backend,
        system=machine.system,
        systemd=session.systemd,
        rounds=tuple(session.rounds),
        journal=str(journal) if session.digest else None,
        journal_sha256=session.digest,
        seconds=round(time.monotonic() - began, 3),
    )


def _placed(deployments: Sequence[Deployment]) -> list[list[merge.Placed]]:
    """Return for every deployment its images, and where the guest has them."""
    number = 0
    everything = []
    for deployment in deployments:
        placed = []
        for image in deployment.images:
            placed.append((image, image_path(number, image.path)))
            number += 1
        everything.append(placed)
    return everything


class _Session:
    """One boot as it goes on: what is known when the system is lost half way is kept."""

    def __init__(self, machine: Machine, journal: Path) -> None:
        self._machine = machine
        self._journal = journal
        self.rounds: list[Round] = []
        self.systemd: str | None = None
        self.digest: str | None = None

    def run(
        self,
        guest: Guest,
        deployments: Sequence[tuple[Deployment, list[merge.Placed]]],
        *,
        shell: bool,
    ) -> None:
        """Try one deployment after the other, keep the journal, and end the system."""
        for deployment, placed in deployments:
            if any(not result.passed for each in self.rounds for result in each.results):
                break
            first = (
                merge.replace(guest, placed, deployment.start)
                if self.rounds
                else poll.booted(guest)
            )
            self.systemd = self.systemd or _systemd(guest)
            self.rounds.append(self._round(guest, deployment, placed, first))
        if shell:
            with guest.console.attached():
                guest.ask(_SHELL, limit=0)
        self._keep_journal(guest)
        self._add(_powered_off(guest))

    def lost(self, deployment: Deployment, error: GuestError) -> None:
        """Put into the report that the system went away."""
        if not self.rounds:
            names = tuple(image.name for image in deployment.images)
            self.rounds.append(Round(images=names, merged=(), results=()))
        self._add(ProbeResult(title="the system runs", passed=False, detail=str(error)))

    def _add(self, result: ProbeResult) -> None:
        last = self.rounds.pop()
        self.rounds.append(
            Round(images=last.images, merged=last.merged, results=(*last.results, result))
        )

    def _round(
        self, guest: Guest, deployment: Deployment, placed: list[merge.Placed], first: ProbeResult
    ) -> Round:
        names = merge.merged(guest)
        results = [first, *merge.results(guest, placed, names)]
        number = re.match(r"\d+", self.systemd or "")
        wanted = probes(
            deployment.expected,
            start=deployment.start,
            known_errors=self._machine.known_errors,
            systemd=int(number[0]) if number else 0,
        )
        results.extend(
            poll.results(
                guest, wanted, deployment.variables, patient=all(f.passed for f in results)
            )
        )
        return Round(
            images=tuple(image.name for image in deployment.images),
            merged=names,
            results=tuple(results),
        )

    def _keep_journal(self, guest: Guest) -> None:
        answer = guest.ask("journalctl --boot --quiet --output=short-precise --no-hostname")
        data = answer.stdout.encode()
        self._journal.write_bytes(data)
        self.digest = hashlib.sha256(data).hexdigest()


def _systemd(guest: Guest) -> str:
    """Return systemd's version and its package's: `252 (252.39-1~deb12u2)`."""
    return guest.ask("systemctl --version").stdout.partition("\n")[0].removeprefix("systemd ")


def _powered_off(guest: Guest) -> ProbeResult:
    passed = guest.power_off()
    detail = "" if passed else f"it is still there:\n{guest.console.tail()}"
    return ProbeResult(title="the system powers off", passed=passed, detail=detail)
