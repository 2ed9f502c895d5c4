"""check:together: the newest images of all recipes, path by path."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bakery.build.step import Made, Nothing, Step
from bakery.build.steps.squashed import manifest
from bakery.build.steps.verdict import apart, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.build.step import AnyStep, Work
    from bakery.recipe.plan import Image


def step(images: Sequence[Image], squashed: Sequence[AnyStep]) -> Step[Nothing]:
    """Return the step that finds paths that two images ship differently.

    Args:
        images: those that may be merged together.
        squashed: the steps that make them, in the same order.

    """

    def inputs() -> tuple[str, ...]:
        return tuple(" ".join((image.id, *sorted(apart(image)))) for image in images)

    return Step(
        kind="check",
        name="together",
        run=partial(_run, images, squashed),
        facts=Nothing,
        after=tuple(squashed),
        inputs=inputs,
        doc="no two recipes ship one path differently",
    )


def _run(images: Sequence[Image], squashed: Sequence[AnyStep], work: Work) -> Made[Nothing]:
    from bakery.check.report import make_report
    from bakery.check.rules import conflicts

    shipped = [
        conflicts.of_manifest(image.contents.name, manifest(work.state, step), apart(image))
        for image, step in zip(images, squashed, strict=True)
    ]
    report = make_report("together", conflicts.conflicts(shipped))
    return Made(facts=Nothing(), note=verdict(report))
