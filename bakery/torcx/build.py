"""Build the image of a converted Torcx image, with the same steps as any other."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.check.command import check_path
from bakery.image.squash import squash
from bakery.image.stage import stage
from bakery.progress import Silent
from bakery.recipe.load import load_all
from bakery.recipe.releases import releases
from bakery.torcx.convert import convert

if TYPE_CHECKING:
    from bakery.check.report import Report
    from bakery.settings import Settings
    from bakery.torcx.convert import Conversion


def build(
    file: Path, name: str | None, os: str | None, target: Path, settings: Settings
) -> tuple[Conversion, Path, Report]:
    """Convert a Torcx image; return what changed, the image below `target`, and its check.

    Raises:
        BakeryError: see `torcx.convert`, `stage` and `squash`.

    """
    with tempfile.TemporaryDirectory(prefix=".torcx-", dir=target) as scratch:
        work = Path(scratch)
        done = convert(file, name, os, work / "recipes")
        (source,) = load_all(work / "recipes").values()
        (release,) = releases(source)
        (image,) = release.images
        tree = work / "tree"
        tree.mkdir()
        manifest = stage(image, "", {}, tree, Silent())
        made = work / image.filename
        squash(
            tree,
            made,
            manifest=manifest,
            format=image.format,
            profile=settings.profile,
            processors=settings.jobs,
            work=work,
        )
        report, _ = check_path(made)
        return done, made.rename(target / image.filename), report
