"""What the rules have found, as the end of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakery.check.report import Report
    from bakery.recipe.plan import Image


def apart(image: Image) -> frozenset[str]:
    """Return the names of the extensions that are never merged together with an image."""
    recipe = image.source.recipe
    return frozenset((*recipe.replaces, *recipe.conflicts))


def verdict(report: Report) -> str:
    """Return what is worth telling of a report: warnings, rules that did not run.

    Raises:
        BrokenRulesError: it has errors.

    """
    from bakery.check import render

    if report.errors:
        raise render.BrokenRulesError(report)
    return render.text([report]).strip() if report.findings or report.not_run else ""
