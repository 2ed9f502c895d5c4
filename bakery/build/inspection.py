"""The steps that try an image: the rules, and boots with a real systemd."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bakery.build.workshop import code_digest, key_of
from bakery.errors import BakeryError
from bakery.recipe.load import CHECK, FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bakery.boot.session import Deployment
    from bakery.build.workshop import Workshop
    from bakery.check.report import Report
    from bakery.progress import Meter
    from bakery.recipe.plan import Image


class BootError(BakeryError):
    """A system with the image does not do what it must."""


class Inspection:
    """Where images are tried.

    Attributes:
        workshop: where they are made.

    """

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self._ledger = workshop.ledger

    # The rules

    def is_checked(self, image: Image, others: Sequence[Image]) -> bool:
        """Return whether the rules have been applied to an image as it is."""
        return self._is_done("check", image, others, self._check_key)

    def check(self, image: Image, others: Sequence[Image], _meter: Meter) -> str:
        """Apply the rules to a finished image; return its warnings as text.

        Args:
            image: what to check.
            others: the images that it requires, whose programs and units it may use.

        Raises:
            BrokenRulesError: it breaks rules.

        """
        from bakery.check.command import check_path
        from bakery.check.loader import load
        from bakery.check.subject import Context

        with self._ledger.alone("check", image.id) as work:
            if self.is_checked(image, others):
                return ""
            recipe = image.source.recipe
            context = Context(
                name=image.contents.name,
                arch=image.contents.arch,
                start=tuple(unit.name for unit in image.contents.start),
                manifest=self.workshop.manifest(image),
                companions=tuple(load(self.workshop.file(other)).tree for other in others),
                apart=_apart(image),
                recipe=image.source,
                source=str(image.source.folder / FILE),
            )
            with self.workshop.processors.take(1):
                report, _ = check_path(self.workshop.file(image), context, recipe.allow)
            said = _judged(report)
            self._ledger.finish(
                "check",
                image.id,
                key=self._check_key(image, others),
                work=work,
                folder=self.workshop.folder(image.release),
                files=[image.filename],
                facts={"warnings": report.warnings, "not_run": len(report.not_run)},
            )
        return said

    def are_compared(self, images: Sequence[Image]) -> bool:
        """Return whether images have been compared path by path as they are."""
        return all(self.workshop.is_squashed(image) for image in images) and self._ledger.holds(
            "check", "together", self._together_key(images), self.workshop.settings.dist
        )

    def compare(self, images: Sequence[Image], _meter: Meter) -> str:
        """Check that no two images that may be merged together ship one path differently.

        Raises:
            BrokenRulesError: two of them do.

        """
        from bakery.check.report import make_report
        from bakery.check.rules import conflicts

        with self._ledger.alone("check", "together") as work:
            shipped = [
                conflicts.of_manifest(
                    image.contents.name, self.workshop.manifest(image), _apart(image)
                )
                for image in images
            ]
            said = _judged(make_report("together", conflicts.conflicts(shipped)))
            self._ledger.finish(
                "check",
                "together",
                key=self._together_key(images),
                work=work,
                folder=self.workshop.settings.dist,
            )
        return said

    def _is_done(
        self,
        step: str,
        image: Image,
        others: Sequence[Image],
        key: Callable[[Image, Sequence[Image]], str],
    ) -> bool:
        return all(self.workshop.is_squashed(each) for each in (image, *others)) and (
            self._ledger.holds(
                step, image.id, key(image, others), self.workshop.folder(image.release)
            )
        )

    def _check_key(self, image: Image, others: Sequence[Image] = ()) -> str:
        from bakery.check.rules import recipe

        allowed = [f"{waiver.rule} {waiver.path}" for waiver in image.source.recipe.allow]
        return key_of(
            "check",
            *(self.workshop.squash_key(each) for each in (image, *others)),
            code_digest("check"),
            *allowed,
            *sorted(_apart(image)),
            *recipe.inputs(image.source),
        )

    def _together_key(self, images: Sequence[Image]) -> str:
        return key_of("together", *(self._check_key(image) for image in images))

    # Boots

    def is_booted(self, image: Image, others: Sequence[Image]) -> bool:
        """Return whether an image, as it is, has passed its boots with those it requires."""
        return self._is_done("boot", image, others, self._boot_key)

    def boot(self, image: Image, others: Sequence[Image], meter: Meter) -> str:
        """Boot an image on every machine of the settings; return what the boots showed.

        Args:
            image: what to try.
            others: the images that it requires.
            meter: told what the machines do.

        Raises:
            BootError: something that must hold does not, or no machine here can boot it.

        """
        from bakery.boot.everywhere import Trial
        from bakery.boot.machines import machine
        from bakery.boot.report import passed, render
        from bakery.release import boots

        settings = self.workshop.settings
        deployment = self._deployment(image, others)
        trial = Trial(
            deployments=[deployment],
            folder=settings.dist / "boot" / image.id,
            turn=partial(self.workshop.processors.take, 1),
            tell=lambda machine, step, lasting=False: meter.tell(
                f"{machine}: {step}", lasting=lasting
            ),
        )
        with self._ledger.alone("boot", image.id) as work:
            if self.is_booted(image, others):
                return ""
            reports = trial.on(
                [
                    machine(
                        name,
                        image.contents.arch,
                        settings,
                        expected=deployment.expected,
                        masked=image.source.recipe.replaces,
                    )
                    for name in self._machines(image)
                ]
            )
            said = "\n".join(render(report) for report in reports)
            if any(report.outcome == "failed" for report in reports):
                raise BootError(
                    f"{image.id} has not passed its boots",
                    why=said,
                    fix=f"look around in it: bakery boot --shell {self.workshop.file(image)}",
                )
            if not passed(reports):
                raise BootError(
                    f"{image.id} can't be booted here",
                    why=said,
                    fix="boot it where that is possible, or name other machines: BAKERY_MACHINES",
                )
            self._ledger.finish(
                "boot",
                image.id,
                key=self._boot_key(image, others),
                work=work,
                folder=self.workshop.folder(image.release),
                files=[image.filename],
                facts=boots.facts(reports),
            )
        return said

    def _deployment(self, image: Image, others: Sequence[Image]) -> Deployment:
        from bakery.boot.machine import BootImage
        from bakery.boot.session import Deployment

        together = (*others, image)
        return Deployment(
            images=[
                BootImage(path=self.workshop.file(each), name=each.contents.name)
                for each in together
            ],
            start=[unit.name for each in together for unit in each.contents.start],
            expected=image.source.expected,
            variables={"BAKERY_VERSION": image.contents.version},
        )

    def _boot_key(self, image: Image, others: Sequence[Image]) -> str:
        expected = image.source.folder / CHECK
        return key_of(
            "boot",
            *(self.workshop.squash_key(each) for each in (image, *others)),
            *self._machines(image),
            expected.read_text("utf-8") if expected.exists() else "",
            code_digest("check"),
        )

    def _machines(self, image: Image) -> Sequence[str]:
        from bakery.boot.waiver import demanded

        return demanded(self.workshop.settings, image=image.id, arch=image.contents.arch)


def _apart(image: Image) -> frozenset[str]:
    recipe = image.source.recipe
    return frozenset((*recipe.replaces, *recipe.conflicts))


def _judged(report: Report) -> str:
    """Return what is worth saying of a report without errors: warnings, rules that did not run."""
    from bakery.check import render

    if report.errors:
        raise render.BrokenRulesError(report)
    return render.text([report]).strip() if report.findings or report.not_run else ""
