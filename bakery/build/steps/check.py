"""check: the rules, applied to a finished image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import msgspec

from bakery.build.step import Made, Step
from bakery.build.steps import squashed as images
from bakery.build.steps.verdict import apart, verdict
from bakery.recipe.folder import FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.build.context import Context
    from bakery.build.step import AnyStep, Work
    from bakery.recipe.plan import Image


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What is on record of an image that keeps the rules.

    Attributes:
        warnings: how many it breaks that are only a warning.
        not_run: how many could not be applied here.

    """

    warnings: Annotated[int, msgspec.Meta(ge=0)]
    not_run: Annotated[int, msgspec.Meta(ge=0)]


def step(
    context: Context, image: Image, others: Sequence[Image], squashed: Sequence[AnyStep]
) -> Step[Checked]:
    """Return the step that applies the rules to a finished image.

    Args:
        context: what steps share.
        image: what to check.
        others: the images that it requires, whose programs and units it may use.
        squashed: the steps that make the image and the others, in this order.

    """

    def inputs() -> tuple[str, ...]:
        from bakery.check.rules import recipe

        allowed = (f"{waiver.rule} {waiver.path}" for waiver in image.source.recipe.allow)
        return (*allowed, "apart from", *sorted(apart(image)), *recipe.inputs(image.source))

    return Step(
        kind="check",
        name=image.id,
        run=partial(_run, context, image, others, squashed[0]),
        facts=Checked,
        after=tuple(squashed),
        inputs=inputs,
        shared=context.shared(image),
    )


def _run(
    context: Context, image: Image, others: Sequence[Image], squashed: AnyStep, work: Work
) -> Made[Checked]:
    from bakery.check.command import check_path
    from bakery.check.loader import load
    from bakery.check.subject import Context as Checking

    file = context.file(image)
    checking = Checking(
        name=image.contents.name,
        arch=image.contents.arch,
        start=tuple(unit.name for unit in image.contents.start),
        manifest=images.manifest(work.state, squashed),
        companions=tuple(load(context.file(other)).tree for other in others),
        apart=apart(image),
        recipe=image.source,
        source=str(image.source.folder / FILE),
    )
    with context.processors.take(1):
        report, _ = check_path(file, checking, image.source.recipe.allow)
    facts = Checked(warnings=report.warnings, not_run=len(report.not_run))
    return Made(facts=facts, outputs=(file,), note=verdict(report))
