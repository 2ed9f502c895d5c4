"""Try a recipe: its newest image, built, checked and booted on one machine."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from bakery import interrupts

if TYPE_CHECKING:
    from bakery.recipe.plan import Image
    from bakery.settings import Settings


def attempt(image: Image, machine: str, settings: Settings) -> bool:
    """Build, check and then boot an image, and return whether it holds.

    doit does it, as it would without this: what is done already is not done again.
    """
    chosen = {"BAKERY_MACHINES": machine, "BAKERY_PROFILE": "fast"}
    tasks = (f"{step}:{image.id}" for step in ("check", "boot"))
    return all(_run(["doit", task], settings, chosen) == 0 for task in tasks)


def look_around(image: Image, machine: str, settings: Settings) -> None:
    """Boot an image that is built, with a shell in it; images that it requires are not merged."""
    file = settings.dist / image.release / image.filename
    if file.exists():
        _run(["bakery.cli", "boot", "--shell", "--on", machine, str(file)], settings, {})


def _run(words: list[str], settings: Settings, environment: dict[str, str]) -> int:
    """Run a module of Python on the terminal of this process."""
    command = [sys.executable, "-m", *words]
    env = {**os.environ, **environment}
    process = subprocess.Popen(command, cwd=settings.root, env=env)
    with interrupts.handed_to(process):
        return process.wait()
