"""Verify that a staged tree still is what its manifest says."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.image.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.image.manifest import Manifest

_TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


def verify_tree(tree: Path, manifest: Manifest) -> None:
    """Compare a tree's paths, types, sizes and targets with its manifest.

    Modes and times are not compared, since an image takes them from the manifest; neither is
    content, which was hashed while it was written.

    Raises:
        ImageError: the tree lacks a path, has another, or has one of another type, size or
            target; a hard link to another path of the tree is a type of its own.
        OSError: the tree can't be read.

    """
    staged = {(entry.path, entry.type, entry.size, entry.target) for entry in manifest.entries}
    present = set(_walk(tree))
    changed = sorted({path for path, *_ in staged ^ present})
    if changed:
        path = changed[0]
        difference = {
            (True, True): "has another type, size or target",
            (True, False): "is missing",
            (False, True): "is new",
        }[path in {entry[0] for entry in staged}, path in {entry[0] for entry in present}]
        more = f", and {len(changed) - 1} more paths differ" if len(changed) > 1 else ""
        raise ImageError(
            "the tree is not what was staged",
            where=str(tree),
            why=f"{path} {difference}{more}",
            fix="remove this folder and run the same command again",
        )


def _walk(tree: Path) -> Iterator[tuple[str, str, int, str | None]]:
    seen = set()
    for path in _paths(tree):
        status = path.lstat()
        kind = _TYPES.get(stat.S_IFMT(status.st_mode), "special file")
        inode = (status.st_dev, status.st_ino)
        if inode in seen:
            kind = "hard link"
        seen.add(inode)
        yield (
            path.relative_to(tree).as_posix(),
            kind,
            status.st_size if kind == "file" else 0,
            os.readlink(path) if kind == "link" else None,  # noqa: PTH115  verbatim, `./` included
        )


def _paths(tree: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise error

    for top, folders, files in os.walk(tree, onerror=refuse):
        yield from (Path(top, name) for name in (*folders, *files))
