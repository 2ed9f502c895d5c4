"""Squash: write an image of a staged tree.

The same tree and manifest give the same bytes wherever, whenever and by whomever they are squashed,
with any number of processors; `btrfs` is the exception that its module explains.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bakery import trace
from bakery.files import remove
from bakery.image.errors import ImageError
from bakery.image.formats import btrfs, erofs, ext4, folder, squashfs
from bakery.image.formats.job import Job, Writer
from bakery.image.verify import verify_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.image.manifest import Manifest
    from bakery.recipe.types import Format
    from bakery.settings import Profile

_WRITERS: dict[Format, Writer] = {
    "squashfs": squashfs,
    "erofs": erofs,
    "ext4": ext4,
    "btrfs": btrfs,
    "folder": folder,
}

_UNFIT = re.compile(r'[\x00-\x1f\x7f"]')


@cache
def writers(format: Format, profile: Profile) -> str:  # noqa: A002  the recipe's word
    """Return the tools, versions and options that decide an image's bytes, for its key.

    Raises:
        MissingToolError: a tool is not installed.
        ToolFailedError: a tool does not start, or does not tell its version.

    """
    labels = "without labels" if unlabelled(format) else "with labels"
    return f"{format}: {_WRITERS[format].describe(profile)}; {labels}"


@cache
def unlabelled(format: Format) -> str | None:  # noqa: A002  the recipe's word
    """Return why images of a kind get no SELinux labels here; None where they get them.

    Raises:
        MissingToolError, ToolFailedError: as for `writers`.

    """
    return _WRITERS[format].unlabelled()


def squash(
    tree: Path,
    output: Path,
    *,
    manifest: Manifest,
    format: Format,  # noqa: A002  the recipe's word
    profile: Profile,
    processors: int,
    work: Path,
) -> None:
    """Write an image: the manifest's paths, modes and time, owned by root.

    Args:
        tree: the staged folder.
        output: the file or folder to write; it is replaced, and gone after a failure.
        manifest: what the tree holds; its modes and time count, not the disk's. Labels that can't
            be written here are left out.
        format: the kind of image.
        profile: how hard to compress.
        processors: how many processors to use, where the tool can use several.
        work: a folder for temporary files, on the file system of `output`.

    Raises:
        ImageError: the tree is not as the manifest says, or a file can't be read or written.
        MissingToolError: a tool is not installed.
        ToolFailedError: a tool reported failure.
        ToolHungError: a tool did nothing any more.
        SystemRefusesError: there is no room for what a tool may need.

    """
    with _removed_on_failure(output), TemporaryDirectory(prefix="squash-", dir=work) as scratch:
        remove(output)
        _refuse_unfit_paths(manifest)
        with trace.span("verify the tree", bytes=manifest.size):
            verify_tree(tree, manifest)
        job = Job(
            tree=tree,
            output=output,
            manifest=manifest.unlabelled if unlabelled(format) else manifest,
            profile=profile,
            processors=processors,
            work=Path(scratch),
        )
        with trace.span(f"write {format}", processors=processors):
            _WRITERS[format].write(job)


@contextmanager
def _removed_on_failure(output: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        remove(output)
        if isinstance(error, OSError):
            raise ImageError(
                "the image can't be written",
                where=error.filename2 or error.filename or str(output),
                why=error.strerror,
                fix="make room or give access there, then run the same command again",
            ) from error
        raise


def _refuse_unfit_paths(manifest: Manifest) -> None:
    for entry in manifest.entries:
        if _UNFIT.search(entry.path):
            raise ImageError(
                "a path has a double quote or a control character",
                where=repr(entry.path),
                why="the tools read paths from command files, where these have a meaning",
                fix="leave the path out with `drop:` in the recipe",
            )
