"""Try a recipe: its newest image built, checked, and booted on one machine, all in seconds."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from bakery import interrupts
from bakery.boot.everywhere import Trial
from bakery.boot.machines import machine
from bakery.boot.probe import expected_units
from bakery.boot.report import passed, render
from bakery.boot.session import Deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bakery.boot.report import BootReport
    from bakery.progress import TellPart
    from bakery.recipe.expectations import UnitExpectation
    from bakery.recipe.plan import Image
    from bakery.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A recipe's image, and how it is tried.

    Attributes:
        image: what is tried.
        others: the images that it requires.
        on: the machine's name.
        window: the most seconds for which units are watched.
        settings: where the project is.

    """

    image: Image
    others: Sequence[Image]
    on: str
    window: int
    settings: Settings

    def build(self) -> float | None:
        """Build and check it on this process's terminal; return its seconds, None if that fails.

        doit builds, so what has not changed is not done again.
        """
        began = time.monotonic()
        tasks = [f"check:{each.id}" for each in (*self.others, self.image)]
        failed = self._call(["doit", *tasks], {"BAKERY_PROFILE": "fast"})
        return None if failed else time.monotonic() - began

    def boot(self, built: float, echo: Callable[[str], object], tell: TellPart) -> bool:
        """Boot what is built, and return whether all holds.

        It goes on no record: only `doit boot` proves what a release needs.

        Args:
            built: the seconds that building it took.
            echo: told what the boot showed, and how long each part took.
            tell: told what goes on: the machine's name, and what it does.

        Raises:
            BakeryError: the machine can't be made or started.

        """
        report = self._boot(tell)
        echo(render(report))
        echo(self._parts(built, report))
        return passed([report])

    def look_around(self) -> None:
        """Boot the image with those that it requires, and a shell in it."""
        files = [str(self._file(each)) for each in (*self.others, self.image)]
        if self._file(self.image).exists():
            self._call(["bakery", "boot", "--shell", "--on", self.on, *files], {})

    def _boot(self, tell: TellPart) -> BootReport:
        deployment = Deployment.of(self.image, self.others, self._file)
        units = tuple(
            msgspec.structs.replace(unit, window=min(unit.window, self.window))
            for unit in self._units(deployment)
        )
        expected = msgspec.structs.replace(deployment.expected, units=units)
        trial = Trial(
            deployments=[replace(deployment, expected=expected)],
            folder=self.settings.dist / "try" / self.image.id,
            turn=contextlib.nullcontext,
            tell=tell,
        )
        return trial.on_one(
            machine(
                self.on,
                self.image.contents.arch,
                self.settings,
                expected=expected,
                masked=self.image.source.recipe.replaces,
            )
        )

    @staticmethod
    def _units(deployment: Deployment) -> list[UnitExpectation]:
        return expected_units(deployment.expected, deployment.start)

    def _parts(self, built: float, report: BootReport) -> str:
        """Return how long each part took, and what is left for `doit boot` to prove."""
        results = [result for each in report.rounds for result in each.results]
        watched = sum(each.seconds for each in results if " stays active for " in each.title)
        text = (
            f"tried in {built + report.seconds:.1f} s: build and check {built:.1f} s, "
            f"boot {report.seconds - watched:.1f} s, watch {watched:.1f} s"
        )
        if report.outcome != "passed":
            return text
        deployment = Deployment.of(self.image, self.others, self._file)
        whole = max((u.window for u in self._units(deployment) if u.state == "active"), default=0)
        less = f", units for {whole} s" if whole > self.window else ""
        return f"{text}\nnext: each machine{less}: doit boot:{self.image.id}"

    def _file(self, image: Image) -> Path:
        return self.settings.dist / image.release / image.filename

    def _call(self, words: list[str], environment: Mapping[str, str]) -> int:
        """Run a module of Python on the terminal of this process, and return its status."""
        command = [sys.executable, "-m", *words]
        env = {**os.environ, **environment}
        with contextlib.ExitStack() as handed:
            with interrupts.starting():
                process = subprocess.Popen(command, cwd=self.settings.root, env=env)
                handed.enter_context(interrupts.handed_to(process))
            return process.wait()
