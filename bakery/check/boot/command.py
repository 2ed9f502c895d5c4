"""Booting image files by hand, ours or not."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from bakery.check import image_name
from bakery.check.boot.expect import Expectations
from bakery.check.boot.machine import Arch, BootImage, MachineError, native_arch
from bakery.check.boot.machines import machine
from bakery.check.boot.procedure import Deployment, boot
from bakery.check.boot.report import render
from bakery.recipe.convert import load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def boot_files(
    paths: Sequence[Path],
    *,
    machines: Sequence[str],
    store: Path,
    start: Sequence[str],
    expected: Path | None,
    shell: bool,
    echo: Callable[[str], object],
) -> bool:
    """Boot image files together on each machine; return whether everything held everywhere.

    Args:
        paths: the images, each merged under the name that its file's name begins with.
        machines: names of machines, as in `machines.machine`.
        store: the folder that keeps systems between boots.
        start: units that must be active.
        expected: a check.yaml; None expects the units alone.
        shell: give the user a shell in each system before it ends.
        echo: told what each boot showed.

    Raises:
        BakeryError: a machine can't be made, or check.yaml can't be read.

    """
    images = [BootImage(path=path, name=image_name.candidates(path.name)[-1]) for path in paths]
    deployment = Deployment(
        images=images,
        start=start,
        expected=load(expected, Expectations) if expected else Expectations(),
    )
    arch = _architecture(paths)
    passed = True
    with tempfile.TemporaryDirectory(prefix="bakery-boot-") as folder:
        for name in machines:
            made = machine(name, arch, store)
            journal = Path(folder) / f"{name.replace('/', '_')}.journal"
            report = boot(deployment, machine=made, journal=journal, shell=shell)
            echo(render(report))
            passed &= report.outcome == "passed"
    return passed


def _architecture(paths: Sequence[Path]) -> Arch:
    named = next(filter(None, (image_name.architecture(path.name) for path in paths)), None)
    arch = named or native_arch()
    if arch not in get_args(Arch):
        raise MachineError(f"there is no machine for {arch}", fix=f"one of {get_args(Arch)}")
    return cast("Arch", arch)
