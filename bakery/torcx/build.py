"""Build the image of a converted Torcx image, with the same steps as any other."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.check.command import check_path
from bakery.files import move
from bakery.image.squash import squash
from bakery.image.stage import stage
from bakery.progress import Silent
from bakery.recipe.load import load_all
from bakery.recipe.plan import releases
from bakery.torcx.convert import convert

if TYPE_CHECKING:
    from bakery.check.report import Report
    from bakery.settings import Settings
    from bakery.torcx.convert import Conversion


def build(
    file: Path, name: str | None, os: str | None, target: Path, settings: Settings
) -> tuple[Conversion, Path, Report]:
    """Convert a Torcx image and build an extension of it.

    Args:
        file: the Torcx image.
        name: the extension's name; None to take the image's.
        os: the only hosts that may merge it, `ID:VERSION_ID`; None for all.
        target: the folder to write the image to.
        settings: how to compress.

    Returns:
        The conversion, the image's path, and the report of its check.

    Raises:
        BakeryError: the file can't be converted, or the image not be written.

    """
    with tempfile.TemporaryDirectory(prefix=".torcx-", dir=target) as scratch:
        work = Path(scratch)
        conversion = convert(file, name, os, work / "recipes")
        (source,) = load_all(work / "recipes").values()
        (release,) = releases(source)
        (image,) = release.images
        tree = work / "tree"
        tree.mkdir()
        manifest = stage(image, "", {}, tree, Silent())
        built = work / image.filename
        squash(
            tree,
            built,
            manifest=manifest,
            format=image.format,
            profile=settings.profile,
            processors=settings.jobs,
            work=work,
        )
        report, _ = check_path(built)
        move(built, target / image.filename)
        return conversion, target / image.filename, report
