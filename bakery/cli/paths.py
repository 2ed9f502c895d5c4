"""Paths on command lines, and what was meant by those that are not there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bakery.cli.project import Project
from bakery.text import nearest

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


class Existing(click.Path):
    """A path that must be there; of one that is not, the nearest one is named."""

    def __init__(self, **options: Any) -> None:
        super().__init__(exists=True, path_type=Path, **options)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return the path.

        Raises:
            click.BadParameter: it is not there.

        """
        if near := meant(Path(value)):
            self.fail(f"there is no {value}; did you mean {near}?", param, ctx)
        return super().convert(value, param, ctx)


def meant(path: Path) -> Path | None:
    """Return what was probably meant by a path that is not there: beside it, or a release's."""
    if path.exists() or not path.name:
        return None
    return next(_alike(path), None)


def _alike(path: Path) -> Iterator[Path]:
    folders = [path.parent] if path.parent.name else [path.parent, _dist()]
    for folder in folders:
        names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        near = nearest(path.name, [name for name in names if not name.startswith(".")])
        if near:
            yield folder / near


def _dist() -> Path:
    dist = Project().settings.dist
    return dist.relative_to(Path.cwd()) if dist.is_relative_to(Path.cwd()) else dist
