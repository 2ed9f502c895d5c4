"""Booting image files by hand, ours or not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast, get_args

from bakery.arch import Arch, native_arch
from bakery.boot import inspect
from bakery.boot.errors import MachineError
from bakery.boot.everywhere import Trial
from bakery.boot.machine import BootImage
from bakery.boot.machines import machine
from bakery.boot.report import passed, render
from bakery.boot.session import Deployment
from bakery.check import image_name
from bakery.processors import Processors
from bakery.recipe.expectations import Expectations
from bakery.yaml.convert import load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bakery.progress import TellPart
    from bakery.settings import Settings


def boot_files(
    paths: Sequence[Path],
    *,
    machines: Sequence[str],
    settings: Settings,
    then: Sequence[Path],
    start: Sequence[str],
    expected: Path | None,
    shell: bool,
    echo: Callable[[str], object],
    tell: TellPart,
) -> bool:
    """Boot image files together on each machine; return whether everything held everywhere.

    Args:
        paths: the images, each merged under the name that its file's name begins with.
        machines: names of machines, as in `machines.machine`.
        settings: for the store, which keeps systems between boots, and the boots' journals.
        then: images that replace those of the same name while the system runs.
        start: units that must be active.
        expected: a check.yaml; None expects the units alone.
        shell: give the user a shell in each system before it ends.
        echo: told what each boot showed.
        tell: told what goes on: a machine's name, and what it does.

    Raises:
        BakeryError: there is no image, a machine can't be made, or check.yaml can't be read.

    """
    for path in (*paths, *then):
        _look_into(path)
    expectations = load(expected, Expectations) if expected else Expectations()
    images = _by_name(paths)
    arch = _architecture(paths)
    made = [machine(name, arch, settings, expected=expectations) for name in machines]
    trial = Trial(
        deployments=[
            Deployment(
                images=[BootImage(path=path, name=name) for name, path in together.items()],
                start=start,
                expected=expectations,
            )
            for together in ([images, images | _by_name(then)] if then else [images])
        ],
        folder=settings.store / "boots" / "+".join(images),
        turn=partial(Processors(settings.jobs).take, 1),
        tell=tell,
    )
    reports = [trial.on_one(each, shell=shell) for each in made] if shell else trial.on(made)
    for report in reports:
        echo(render(report))
    return passed(reports)


def make_systems(names: Sequence[str], settings: Settings, tell: TellPart) -> list[Path]:
    """Make what machines of this computer's architecture boot, and return the folders that have it.

    Args:
        names: names of machines, as in `machines.machine`.
        settings: the store, which keeps systems between boots, and Debian's mirror.
        tell: told what is being made.

    Raises:
        BakeryError: one can't be made.

    """
    arch, folders = cast("Arch", native_arch()), []
    for name in names:
        made = machine(name, arch, settings, expected=Expectations())
        made.prepare(partial(tell, name))
        folders.append(made.hierarchies())
    return [folder for folder in folders if folder is not None]


def _look_into(path: Path) -> None:
    """Refuse what is no image before a machine is made for it."""
    if not path.exists():
        raise MachineError("there is no such image", where=str(path), fix="see `ls dist/*/*.raw`")
    if path.is_dir():
        if not any((path / hierarchy).is_dir() for hierarchy in inspect.HIERARCHIES):
            raise MachineError(
                "this folder is not an image",
                where=str(path),
                why="it has neither usr nor opt",
                fix="give the folder that has them, or an image file",
            )
    elif not path.is_file():
        raise MachineError(
            "this is not an image", where=str(path), why="it is neither a file nor a folder"
        )
    inspect.inspection(BootImage(path=path, name=_name(path)))


def _by_name(paths: Sequence[Path]) -> dict[str, Path]:
    images: dict[str, Path] = {}
    for path in paths:
        other = images.setdefault(_name(path), path)
        if other != path:
            raise MachineError(
                f"two images are called {_name(path)}",
                where=f"{other}\n{path}",
                fix="boot one of them; a newer one takes its place in the running system with"
                f" --then {path}",
            )
    return images


def _name(path: Path) -> str:
    return image_name.candidates(path.name)[-1]


def _architecture(paths: Sequence[Path]) -> Arch:
    named = next(filter(None, (image_name.architecture(path.name) for path in paths)), None)
    arch = named or native_arch()
    if arch not in get_args(Arch):
        raise MachineError(f"there is no machine for {arch}", fix=f"one of {get_args(Arch)}")
    return cast("Arch", arch)
