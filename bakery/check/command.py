"""Check image files and folders, whoever made them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bakery import trace
from bakery.check import image_name, loader
from bakery.check.report import Report, check_subject, make_report
from bakery.check.rule import Violation
from bakery.check.rules import conflicts, readback
from bakery.check.subject import Context
from bakery.errors import BakeryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bakery.image.verity.signing import Certificates
    from bakery.recipe.model import Waiver


def check_path(
    path: Path, context: Context | None = None, waivers: Sequence[Waiver] = ()
) -> tuple[Report, conflicts.ShippedImage | None]:
    """Check one image file or folder.

    Returns:
        The report; and the image's paths, for `conflicts.conflicts`, or None if it can't be read.

    Raises:
        BakeryError: there is no such path, or rights or a program are missing to look into it.

    """
    try:
        with trace.span("look into the image"):
            subject = loader.load(path, context)
    except loader.ImageUnreadableError as error:
        message = f"can't be read: {error.what}: {' '.join((error.why or '').split())}"
        return make_report(
            path.name, [readback.mount.finding(Violation(".", message))], waivers
        ), None
    return check_subject(subject, waivers), conflicts.of_subject(subject)


def check_paths(
    paths: Iterable[Path], certificates: Certificates | None = None
) -> tuple[Report, ...]:
    """Check images and folders, each alone and all against each other.

    Of a folder NAME.raw.v or NAME.v, as in systemd.v(7), every version in it is checked.

    Args:
        paths: the images and folders.
        certificates: those by one of which all images must be signed; None where nobody says.

    Raises:
        BakeryError: there is no such path, or rights or a program are missing to look into it.

    """
    results = [
        check_path(image, replace(context, certificates=certificates))
        for path in paths
        for image, context in _images(path)
    ]
    reports = [report for report, _ in results]
    shipped = [image for _, image in results if image is not None]
    names = dict.fromkeys(image.name for image in shipped)
    if len(names) > 1:
        reports.append(make_report(" + ".join(names), conflicts.conflicts(shipped)))
    return tuple(reports)


def _images(path: Path) -> list[tuple[Path, Context]]:
    """Return what is to be checked at a path: itself, or the versions in a folder of systemd.v."""
    if path.suffix != ".v" or not path.is_dir() or (path / "usr").is_dir():
        return [(path, Context())]
    name = image_name.stem(path.stem)
    ending = path.stem.removeprefix(name)
    versions = sorted(
        version
        for version in path.iterdir()
        if version.name.startswith(f"{name}_") and version.name.endswith(ending)
    )
    if not versions:
        raise BakeryError(
            "there is no version in the folder",
            where=str(path),
            why=f"hosts take {name}_VERSION{ending} and {name}_VERSION_ARCH{ending}: systemd.v(7)",
            fix="name the images so, or give the image itself",
        )
    return [(version, Context(name=name)) for version in versions]
