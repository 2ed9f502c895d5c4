"""Output folders that come from other machines: what was baked there is taken as baked here.

Steps are up to date while sizes and modification times are those on record. Copies have other
times; where the bytes are the recorded ones, they get the recorded time back.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from bakery.build.steps.squashed import KIND, Squashed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.build.context import Context
    from bakery.build.state import State
    from bakery.recipe.plan import Image, Release


def restore(context: Context, state: State, releases: Sequence[Release]) -> list[Release]:
    """Take over the images in the output folder; return the releases that are all there."""
    complete = []
    for release in releases:
        taken = [_is_taken(context, state, image) for image in release.images]
        if taken and all(taken):
            complete.append(release)
    return complete


def _is_taken(context: Context, state: State, image: Image) -> bool:
    record = state.record(KIND, image.id, Squashed)
    path = context.file(image)
    if record is None or not path.is_file():
        return False
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != record.facts.sha256:
            return False
    for output in record.outputs:
        os.utime(state.dist / output.path, ns=(output.mtime, output.mtime))
    return True
