"""Booting images: merged by systemd, their units up, everything expected of them holding."""

from __future__ import annotations

import hashlib
import sys
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bakery import trace
from bakery.boot import inspect, merge, poll
from bakery.boot.errors import GuestError, MachineError
from bakery.boot.guest import image_path
from bakery.boot.machine import BootImage, Load, Machine
from bakery.boot.probe import Host, probes
from bakery.boot.report import BootReport, ProbeResult, Round
from bakery.check.loader import ImageUnreadableError
from bakery.progress import Silent
from bakery.recipe.expectations import Expectations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bakery.boot.guest import Guest
    from bakery.progress import Tell
    from bakery.recipe.plan import Image

_POWERS_OFF = "the system powers off"
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

    @classmethod
    def of(cls, image: Image, others: Sequence[Image], file: Callable[[Image], Path]) -> Deployment:
        """Return a recipe's image with those that it requires, and what its check.yaml says.

        Args:
            image: what is tried.
            others: the images that it requires.
            file: tells where an image lies.

        """
        together = (*others, image)
        return cls(
            images=[BootImage(path=file(each), name=each.contents.name) for each in together],
            start=[unit.name for each in together for unit in each.contents.start],
            expected=image.source.expected,
            variables={"BAKERY_VERSION": image.contents.version},
        )


def boot(
    deployment: Deployment,
    *,
    machine: Machine,
    journal: Path,
    then: Sequence[Deployment] = (),
    shell: bool = False,
    tell: Tell | None = None,
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
        tell: told what goes on, each time that something else does.

    Raises:
        MachineError: an image is missing, or the machine can't be made or started.
        MissingToolError: a program that it needs is not installed.

    """
    deployments = [deployment, *then]
    _refuse_impossible(deployments, shell=shell)
    session = _Session(machine, journal, tell or Silent().tell)
    if obstacle := machine.obstacle():
        return session.report(skipped=obstacle)
    return session.boot(deployments, shell=shell)


def demanded(deployment: Deployment, host: Host) -> list[str]:
    """Return what a boot must have shown at least, whatever else the images ship."""
    asked = probes(
        deployment.expected, start=deployment.start, shipped=inspect.Shipped(), host=host
    )
    merged = [merge.is_merged(image.name) for image in deployment.images]
    shown = [probe.title for probe in asked if not probe.quiet]
    return [poll.BOOTS, *merged, *shown, _POWERS_OFF]


def _refuse_impossible(deployments: Sequence[Deployment], *, shell: bool) -> None:
    if shell and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise MachineError("a shell needs a terminal", fix="leave out the shell, or use a terminal")
    for image in _images(deployments):
        if not image.path.exists():
            raise MachineError(
                "there is no such image", where=str(image.path), fix="build it: doit build:NAME"
            )


def _placed(deployments: Sequence[Deployment], share: str) -> list[list[merge.Placed]]:
    """Return for every deployment its images, and where the guest has them."""
    numbers = count()
    return [
        [(image, image_path(share, next(numbers), image.name)) for image in deployment.images]
        for deployment in deployments
    ]


class _Session:
    """One boot as it goes on: what is known when the system is lost half way is kept."""

    def __init__(self, machine: Machine, journal: Path, tell: Tell) -> None:
        self._machine = machine
        self._journal = journal
        self._tell = tell
        self._inspections: dict[BootImage, inspect.Inspection] = {}
        self.rounds: list[Round] = []
        self.systemd: str | None = None
        self.digest: str | None = None

    def boot(self, deployments: Sequence[Deployment], *, shell: bool) -> BootReport:
        """Boot the first deployment, put the others in its place, and return what is known."""
        began = time.monotonic()
        with trace.span("prepare the system"):
            self._machine.prepare(self._tell)
        unreadable = self._inspect(deployments)
        if unreadable:
            names = tuple(image.name for image in _images(deployments))
            self.rounds.append(Round(images=names, merged=(), results=tuple(unreadable)))
            return self.report()
        if unfit := self._misfit():
            return self.report(unfit=unfit)
        placed = _placed(deployments, self._machine.share)
        load = self._load(placed)
        self._tell("boots")
        try:
            with self._machine.start(load) as guest:
                self._run(guest, list(zip(deployments, placed, strict=True)), shell=shell)
        except GuestError as error:
            self._lost(deployments[0], error)
        return self.report(seconds=round(time.monotonic() - began, 3))

    def _inspect(self, deployments: Sequence[Deployment]) -> list[ProbeResult]:
        """Look into the images, and return those that can't be mounted."""
        unreadable = []
        for image in _images(deployments):
            try:
                self._inspections[image] = inspect.inspection(image)
            except ImageUnreadableError as error:
                title = merge.is_merged(image.name)
                unreadable.append(ProbeResult(title=title, passed=False, detail=str(error)))
        return unreadable

    def _misfit(self) -> str | None:
        """Return why an image is not for this system; None where all are."""
        system = self._machine.os_release()
        reasons = (
            inspect.misfit(image.name, each.release, system)
            for image, each in self._inspections.items()
        )
        return next(filter(None, reasons), None)

    def _load(self, placed: list[list[merge.Placed]]) -> Load:
        self._journal.parent.mkdir(parents=True, exist_ok=True)
        return Load(
            setup=merge.setup(placed[0]),
            images=[image for images in placed for image, _ in images],
            log=self._journal.with_name(f"{self._journal.name}.console"),
        )

    def _run(
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
            with trace.span("replace the images" if self.rounds else "boot"):
                first = (
                    merge.replace(guest, placed, deployment.start)
                    if self.rounds
                    else poll.booted(guest)
                )
            self.rounds.append(self._round(guest, deployment, placed, first))
        if shell:
            name = f"{self._machine.backend}:{self._machine.system}"
            self._tell(f"a shell in {name}; `exit` leaves it", lasting=True)
            with guest.console.attached():
                guest.ask(_SHELL, limit=0)
        self._keep_journal(guest)
        self._add(_powered_off(guest))

    def _lost(self, deployment: Deployment, error: GuestError) -> None:
        """Put into the report that the system went away."""
        if not self.rounds:
            names = tuple(image.name for image in deployment.images)
            self.rounds.append(Round(images=names, merged=(), results=()))
        self._add(
            ProbeResult(
                title="the system runs",
                passed=False,
                detail=str(error),
                meaning=_hidden(deployment, self._machine.hierarchies()),
            )
        )

    def report(
        self,
        *,
        seconds: float = 0,
        skipped: str | None = None,
        unfit: str | None = None,
    ) -> BootReport:
        """Return what is known."""
        return BootReport(
            backend=self._machine.backend,
            system=self._machine.system,
            systemd=self.systemd,
            rounds=tuple(self.rounds),
            journal=str(self._journal) if self.digest else None,
            journal_sha256=self.digest,
            seconds=seconds,
            skipped=skipped,
            unfit=unfit,
        )

    def _add(self, result: ProbeResult) -> None:
        last = self.rounds[-1]
        self.rounds[-1] = replace(last, results=(*last.results, result))

    def _round(
        self, guest: Guest, deployment: Deployment, placed: list[merge.Placed], first: ProbeResult
    ) -> Round:
        merged = merge.merged(guest)
        self.systemd = merged.systemd
        results = [first, *merge.results(guest, placed, merged.names)]
        expected = probes(
            deployment.expected,
            start=deployment.start,
            shipped=inspect.shipped(self._inspections[image] for image in deployment.images),
            host=Host(
                arch=self._machine.arch,
                systemd=merged.version,
                virtual=self._machine.virtual,
                known_errors=self._machine.known_errors,
            ),
        )
        patient = all(result.passed for result in results)
        results.extend(
            poll.results(guest, expected, deployment.variables, patient=patient, tell=self._tell)
        )
        return Round(
            images=tuple(image.name for image in deployment.images),
            merged=merged.names,
            results=tuple(results),
        )

    def _keep_journal(self, guest: Guest) -> None:
        answer = guest.ask("journalctl --boot --quiet --output=short-precise --no-hostname")
        data = answer.stdout.encode()
        self._journal.write_bytes(data)
        self.digest = hashlib.sha256(data).hexdigest()


def _hidden(deployment: Deployment, system: Path | None) -> str | None:
    """Return what images would hide of the system's folders, as the reason of its end."""
    if system is None:
        return None
    for image in deployment.images:
        if hidden := inspect.shadowed(image, system):
            return (
                f"{image.name} hides {', '.join(hidden)}, a folder of every host: whoever merges it"
                " loses what is in there. An install path that ends in / names a folder."
            )
    return None


def _images(deployments: Sequence[Deployment]) -> list[BootImage]:
    return [image for each in deployments for image in each.images]


def _powered_off(guest: Guest) -> ProbeResult:
    with trace.span("power off"):
        passed = guest.power_off()
    detail = "" if passed else f"it is still there:\n{guest.console.tail()}"
    return ProbeResult(title=_POWERS_OFF, passed=passed, detail=detail)
