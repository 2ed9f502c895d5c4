"""Recipes of Debian packages, at what the mirror has today."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from bakery.errors import BakeryError
from bakery.upstream import apt
from harness.debian import store
from harness.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from bakery.upstream.apt import Mirrors

EMULATOR = "qemu-aarch64-static"


def mirrors() -> Mirrors:
    """Return the mirrors that apt is configured for, or skip the test where it has none."""
    try:
        return apt.mirrors(os.environ.get(apt.VARIABLE))
    except BakeryError as error:
        pytest.skip(str(error))


def locked_anew(
    root: Path,
    names: Iterable[str],
    *,
    extended: Iterable[str] = (),
    written: Mapping[str, str] | None = None,
) -> Project:
    """Return a project with recipes locked anew, and those that they extend.

    Args:
        root: its folder.
        names: recipes of the repository's.
        extended: further ones, which keep their lock.
        written: those whose text is the test's: by name.

    """
    mirrors()
    project = Project(root, {"BAKERY_STORE": str(store())})
    for name in (*extended, *names):
        project.add(name)
    for name, text in (written or {}).items():
        project.add(name, **{"recipe.yaml": text})
    anew = [*names, *(written or {})]
    for name in anew:
        (project.recipes / name / "lock.json").unlink(missing_ok=True)
    done = project.run("bakery", "update", *anew)
    assert done.returncode == 0, done.stderr
    return project
