"""What is on record of an image's boots, and whether that is all which was asked for.

A record may come from whoever runs upstream's code, so it is held against what follows from the
recipe and from the machines. Only what an image ships unasked is not known without looking into it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bakery.characters import visible
from bakery.release.boots import Boot, Held

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.boot.machine import System
    from bakery.boot.report import BootReport
    from bakery.recipe.plan import Image


class Booted(msgspec.Struct, frozen=True, kw_only=True):
    """What is on record of an image that has been booted.

    Attributes:
        boots: what it has passed, machine by machine.
        sha256: the digest of the file that was booted; empty for a folder.

    """

    boots: tuple[Boot, ...]
    sha256: str


def recorded(report: BootReport) -> Boot:
    """Return what goes on record of a boot that has been passed."""
    return Boot(
        machine=f"{report.backend}:{report.system}",
        systemd=report.systemd or "unknown",
        checks=sum(len(each.results) for each in report.rounds),
        held=tuple(
            Held(title=visible(result.title), seconds=round(result.seconds, 1))
            for each in report.rounds
            for result in each.results
        ),
        journal_sha256=report.journal_sha256 or "",
    )


def shortfall(
    image: Image, others: Sequence[Image], machines: Sequence[str], boots: Sequence[Boot]
) -> str | None:
    """Return what boots lack, or have too much; None where they are all that was asked for.

    Args:
        image: what was booted.
        others: the images that it requires.
        machines: the names of the machines to boot it on.
        boots: those that it has passed.

    """
    if machines and not boots:
        return "it was booted nowhere"
    needed, allowed = _asked(image, others, machines)
    had = Counter(boot.machine for boot in boots)
    if missing := needed - had:
        return f"there is no boot on {', '.join(missing)}"
    if more := had - allowed:
        return f"there is a boot on {', '.join(more)}, which nobody asked for"
    return next(filter(None, (_unseen(image, others, boot) for boot in boots)), None)


def _asked(
    image: Image, others: Sequence[Image], machines: Sequence[str]
) -> tuple[Counter[str], Counter[str]]:
    """Return on which machines there must be boots, and on which there may be."""
    from bakery.boot.machines import known_system, recorded_name

    needed: Counter[str] = Counter()
    allowed: Counter[str] = Counter()
    for machine in machines:
        fit = _fitting((*others, image), known_system(machine))
        name = recorded_name(machine, image.source.expected)
        needed[name] += all(fit)
        allowed[name] += any(fit)
    return needed, allowed


def _fitting(images: Sequence[Image], system: System) -> list[bool]:
    """Return for all that a system's os-release may say whether images are for it."""
    from bakery.boot.inspect import misfit
    from bakery.check import os_release
    from bakery.image import release_file

    texts = {each.id: release_file.text(each.contents, ships_units=False) for each in images}
    releases = {name: os_release.parse(text).values for name, text in texts.items()}
    return [
        not any(misfit(name, release, host) for name, release in releases.items())
        for host in system.os_releases
    ]


def _unseen(image: Image, others: Sequence[Image], boot: Boot) -> str | None:
    """Return what is wrong with a record of one boot: another systemd, or a line too few."""
    from bakery.boot import merge
    from bakery.boot.machines import known_system
    from bakery.boot.probe import Host
    from bakery.boot.session import Deployment, demanded

    version = merge.version(boot.systemd)
    if version not in known_system(boot.machine).systemd:
        return f"{boot.machine} has no systemd {boot.systemd}"
    virtual = boot.machine.startswith("qemu:")
    host = Host(arch=image.contents.arch, systemd=version, virtual=virtual)
    deployment = Deployment.of(image, others, lambda each: Path(each.filename))
    lines = Counter(map(visible, demanded(deployment, host)))
    lines.subtract(held.title for held in boot.held)
    missing = next((line for line, count in lines.items() if count > 0), None)
    if missing is not None:
        return f"on {boot.machine} nobody saw that {missing}"
    if boot.checks != len(boot.held):
        return f"on {boot.machine} other checks are counted than told of"
    return None
