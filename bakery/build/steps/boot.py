"""boot: a real systemd merges an image, and what its check.yaml asks for holds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from bakery.build.step import Made, Step, StepError
from bakery.recipe.folder import CHECK
from bakery.release.boots import Boot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.boot.report import BootReport
    from bakery.boot.session import Deployment
    from bakery.build.context import Context
    from bakery.build.step import AnyStep, Work
    from bakery.recipe.plan import Image


class Booted(msgspec.Struct, frozen=True, kw_only=True):
    """What is on record of an image that has been booted.

    Attributes:
        boots: what it has passed, machine by machine.

    """

    boots: tuple[Boot, ...]


def step(
    context: Context, image: Image, others: Sequence[Image], squashed: Sequence[AnyStep]
) -> Step[Booted]:
    """Return the step that boots an image on every machine of the settings.

    Args:
        context: what steps share.
        image: what to boot.
        others: the images that it requires.
        squashed: the steps that make the image and the others, in this order.

    """
    expected = image.source.folder / CHECK

    def inputs() -> tuple[str, ...]:
        text = expected.read_text("utf-8") if expected.exists() else ""
        return (text, *image.source.recipe.replaces, "on", *context.settings.machines)

    return Step(
        kind="boot",
        name=image.id,
        run=partial(_run, context, image, others),
        facts=Booted,
        after=tuple(squashed),
        inputs=inputs,
        leftovers=(context.journals(image),),
    )


def _run(context: Context, image: Image, others: Sequence[Image], work: Work) -> Made[Booted]:
    del work
    from bakery.boot.report import render

    file = context.file(image)
    reports = _reports(context, image, _deployment(context, image, others))
    text = "\n".join(render(report) for report in reports)
    if any(report.outcome == "failed" for report in reports):
        raise StepError(
            f"{image.id} has not passed its boots",
            why=text,
            fix=f"look around in it: bakery boot --shell {file}",
        )
    if any(report.outcome == "skipped" for report in reports):
        raise StepError(
            f"{image.id} can't be booted here",
            why=text,
            fix="boot it where that is possible, or name other machines: BAKERY_MACHINES",
        )
    boots = tuple(sorted(map(passed, reports), key=lambda boot: boot.machine))
    return Made(facts=Booted(boots=boots), outputs=(file,), note=text)


def _reports(context: Context, image: Image, deployment: Deployment) -> list[BootReport]:
    from bakery.boot.machines import machine
    from bakery.boot.session import boot

    reports = []
    for name in context.settings.machines:
        made = machine(
            name, image.contents.arch, context.settings, masked=image.source.recipe.replaces
        )
        journal = context.journals(image) / f"{name.replace('/', '_')}.journal"
        journal.parent.mkdir(parents=True, exist_ok=True)
        with context.processors.take(1):
            reports.append(boot(deployment, machine=made, journal=journal))
    return reports


def _deployment(context: Context, image: Image, others: Sequence[Image]) -> Deployment:
    from bakery.boot.machine import BootImage
    from bakery.boot.model import Expectations
    from bakery.boot.session import Deployment
    from bakery.yaml.convert import load

    together = (*others, image)
    expected = image.source.folder / CHECK
    return Deployment(
        images=[BootImage(path=context.file(each), name=each.contents.name) for each in together],
        start=[unit.name for each in together for unit in each.contents.start],
        expected=load(expected, Expectations) if expected.exists() else Expectations(),
        variables={"BAKERY_VERSION": image.contents.version},
    )


def passed(report: BootReport) -> Boot:
    """Return what goes on record of a boot that has been passed."""
    return Boot(
        machine=f"{report.backend}:{report.system}",
        systemd=report.systemd or "unknown",
        checks=sum(len(each.findings) for each in report.rounds),
        journal_sha256=report.journal_sha256 or "",
    )
