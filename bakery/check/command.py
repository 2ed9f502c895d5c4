"""Check images and folders by hand, ours or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.check import opened
from bakery.check.rule import Hit
from bakery.check.rules import across, readback
from bakery.check.verdict import Report, check, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bakery.check.subject import Context
    from bakery.recipe.model import Waiver


def check_path(
    path: Path, context: Context | None = None, waivers: Sequence[Waiver] = ()
) -> tuple[Report, across.Shipped | None]:
    """Check one image file or folder.

    Returns:
        The report, and what the image ships, for `across.conflicts`; None when it can't be read.

    Raises:
        BakeryError: there is no such path, or rights or a program are missing to look into it.

    """
    try:
        subject = opened.from_path(path, context)
    except opened.ImageUnreadableError as error:
        message = f"can't be read: {error.what}: {' '.join((error.why or '').split())}"
        return judge(path.name, [readback.mount.finding(Hit(".", message))], waivers), None
    return check(subject, waivers), across.of_subject(subject)


def check_paths(paths: Iterable[Path], waivers: Sequence[Waiver] = ()) -> tuple[Report, ...]:
    """Check images and folders, each alone and all against each other.

    Raises:
        BakeryError: there is no such path, or rights or a program are missing to look into it.

    """
    results = [check_path(path, waivers=waivers) for path in paths]
    reports = [report for report, _ in results]
    shipped = [image for _, image in results if image is not None]
    names = dict.fromkeys(image.name for image in shipped)
    if len(names) > 1:
        reports.append(judge(" + ".join(names), across.conflicts(shipped)))
    return tuple(reports)
