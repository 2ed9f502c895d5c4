"""boot: a real systemd merges an image, and what its check.yaml asks for holds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bakery.build.step import Made, Step, StepError
from bakery.build.steps.booted import Booted, recorded, shortfall
from bakery.recipe.folder import CHECK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.boot.report import BootReport
    from bakery.build.context import Context
    from bakery.build.sharing import Part
    from bakery.build.step import Work
    from bakery.build.steps.squashed import Squashed
    from bakery.recipe.plan import Image


def step(
    context: Context, image: Image, others: Sequence[Image], squashed: Sequence[Step[Squashed]]
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
        return (text, *image.source.recipe.replaces, "on", *machines(context, image))

    return Step(
        kind="boot",
        name=image.id,
        run=partial(_run, context, image, others, squashed[0]),
        facts=Booted,
        after=tuple(squashed),
        inputs=inputs,
        shared=context.shared(image),
        misfit=partial(_misfit, context, image, others),
        leftovers=(context.journals(image),),
    )


def _run(
    context: Context, image: Image, others: Sequence[Image], squashed: Step[Squashed], work: Work
) -> Made[Booted]:
    from bakery.boot.report import passed, render

    file, sha256 = context.file(image), work.state.required(squashed).facts.sha256
    if not machines(context, image):
        facts = Booted(boots=(), sha256=sha256)
        return Made(facts=facts, outputs=(file,), note="all its boots are waived")
    reports = _reports(context, image, others, work)
    text = "\n".join(render(report) for report in reports)
    if any(report.outcome == "failed" for report in reports):
        raise StepError(
            f"{image.id} has not passed its boots",
            why=text,
            fix=f"look around in it: bakery boot --shell {file}",
        )
    if not passed(reports):
        raise StepError(
            f"{image.id} can't be booted here",
            why=text,
            fix="boot it where that is possible, name other machines with BAKERY_MACHINES, or say "
            "in BAKERY_BOOT_WAIVER what can't be booted, and why",
        )
    boots = tuple(
        sorted(
            (recorded(report) for report in reports if report.outcome == "passed"),
            key=lambda boot: boot.machine,
        )
    )
    return Made(facts=Booted(boots=boots, sha256=sha256), outputs=(file,), note=text)


def _reports(
    context: Context, image: Image, others: Sequence[Image], work: Work
) -> list[BootReport]:
    from bakery.boot.everywhere import Trial
    from bakery.boot.machines import machine
    from bakery.boot.session import Deployment

    def tell(part: str, step: str, *, lasting: bool = False) -> None:
        work.progress.tell(step, of=part, lasting=lasting)

    deployment = Deployment.of(image, others, context.file)
    trial = Trial(
        deployments=[deployment],
        folder=context.journals(image),
        turn=partial(context.processors.take, 1),
        tell=tell,
    )
    return trial.on(
        [
            machine(
                name,
                image.contents.arch,
                context.settings,
                expected=deployment.expected,
                masked=image.source.recipe.replaces,
            )
            for name in machines(context, image)
        ]
    )


def machines(context: Context, image: Image) -> tuple[str, ...]:
    """Return the machines on which an image must have passed a boot; none if all are waived."""
    from bakery.boot.waiver import demanded

    return demanded(context.settings, image=image.id, arch=image.contents.arch)


def _misfit(
    context: Context,
    image: Image,
    others: Sequence[Image],
    made: Made[Booted],
    parts: Sequence[Part],
) -> str | None:
    """Return why boots are not those of this image; see `Step.misfit`."""
    if [part.blob.sha256 for part in parts] != [made.facts.sha256]:
        return "it is about other bytes"
    return shortfall(image, others, machines(context, image), made.facts.boots)
