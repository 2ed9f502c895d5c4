"""Output folders that come from other machines: what was baked there is taken as baked here.

Steps are up to date while sizes and modification times are those on record. Copies have other
times; where the bytes are the recorded ones, they get the recorded time back.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.build.workshop import Workshop
    from bakery.recipe.plan import Image, Release


def restore(workshop: Workshop, releases: Sequence[Release]) -> list[Release]:
    """Take over the images in the output folder; return the releases that are all there."""
    found = []
    for release in releases:
        taken = [_restored(workshop, image) for image in release.images]
        if taken and all(taken):
            found.append(release)
    return found


def _restored(workshop: Workshop, image: Image) -> bool:
    record = workshop.ledger.record("squash", image.id)
    path = workshop.file(image)
    if record is None or not path.is_file():
        return False
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != record.facts["sha256"]:
            return False
    for output in record.outputs:
        os.utime(path.with_name(output.path), ns=(output.mtime, output.mtime))
    return True
