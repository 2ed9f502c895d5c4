"""Which boots an image must pass here, and which ones are waived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.recipe.types import Decoded, OneLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.recipe.plan import Release
    from bakery.settings import Settings


class WaivedBoot(Decoded, frozen=True, kw_only=True):
    """Boots that an image did without.

    Attributes:
        image: such as `docker-20.10.13-arm64`.
        machines: where it was not booted, such as `nspawn:trixie`.
        reason: why not.

    """

    image: OneLine
    machines: tuple[OneLine, ...]
    reason: OneLine

    def __str__(self) -> str:
        return f"{self.image} on {', '.join(self.machines)}: {self.reason}"


def demanded(settings: Settings, *, image: str, arch: str) -> tuple[str, ...]:
    """Return the machines on which an image must have passed a boot."""
    missing = {
        machine for each in waived(settings, image=image, arch=arch) for machine in each.machines
    }
    return tuple(machine for machine in settings.machines if machine not in missing)


def waived(settings: Settings, *, image: str, arch: str) -> Sequence[WaivedBoot]:
    """Return the boots that an image does without, reason by reason."""
    machines: dict[str, list[str]] = {}
    for machine in settings.machines:
        for waiver in settings.boot_waiver:
            if waiver.covers(image=image, arch=arch, machine=machine):
                machines.setdefault(waiver.reason, []).append(machine)
                break
    return [
        WaivedBoot(image=image, machines=tuple(names), reason=reason)
        for reason, names in machines.items()
    ]


def of_release(settings: Settings, release: Release) -> Sequence[WaivedBoot]:
    """Return what of a release's images was not booted, and why."""
    return [
        each
        for image in release.images
        for each in waived(settings, image=image.id, arch=image.contents.arch)
    ]
