"""Which boots an image must pass here, and which ones are waived."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakery.recipe.plan import Release
    from bakery.settings import Settings


class Waived(NamedTuple):
    """A boot that is not demanded.

    Attributes:
        image: such as `docker-20.10.13-arm64`.
        reason: why not.
        machine: such as `nspawn:trixie`.

    """

    image: str
    reason: str
    machine: str


def demanded(settings: Settings, *, image: str, arch: str) -> tuple[str, ...]:
    """Return the machines on which an image must have passed a boot."""
    missing = {each.machine for each in waived(settings, image=image, arch=arch)}
    return tuple(machine for machine in settings.machines if machine not in missing)


def waived(settings: Settings, *, image: str, arch: str) -> list[Waived]:
    """Return the boots that an image does without."""
    boots: dict[str, Waived] = {}
    for waiver in settings.boot_waiver:
        for machine in settings.machines:
            if waiver.covers(image=image, arch=arch, machine=machine):
                boots.setdefault(machine, Waived(image, waiver.reason, machine))
    return list(boots.values())


def of_release(settings: Settings, release: Release) -> str | None:
    """Return what of a release's images was not booted, and why; None where everything was."""
    return statement(
        each
        for image in release.images
        for each in waived(settings, image=image.id, arch=image.contents.arch)
    )


def statement(boots: Iterable[Waived]) -> str | None:
    """Return what was not booted, and why, for people; None where everything was."""
    lines = []
    for (image, reason), group in groupby(sorted(boots), key=lambda each: each[:2]):
        lines.append(f"{image} on {', '.join(each.machine for each in group)}: {reason}")
    return "; ".join(lines) or None
