"""A plain folder, for `systemd-sysext` and for looking around.

Its files are copies: an edit of one never reaches the staged tree. Owners are root's only where
root writes it.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.image.formats.job import Job
    from bakery.image.manifest import Manifest
    from bakery.settings import Profile

_NANOSECONDS = 10**9


def describe(_profile: Profile) -> str:
    """Return what decides the bytes: the manifest alone."""
    return "copies of files"


def write(job: Job) -> None:
    """Write the folder."""
    copy(job.tree, job.output, job.manifest)


def copy(tree: Path, target: Path, manifest: Manifest) -> None:
    """Copy a tree so that the copy has the manifest's modes and times, and no extended attributes.

    Raises:
        OSError: a file can't be read or written.

    """
    target.mkdir()
    for entry in manifest.entries:
        path = target / entry.path
        if entry.type == "directory":
            path.mkdir()
        elif entry.type == "link":
            path.symlink_to(entry.target or "")
        else:
            shutil.copyfile(tree / entry.path, path)
    for entry in reversed(manifest.entries):
        _finish(target / entry.path, None if entry.type == "link" else entry.mode, manifest.epoch)
    _finish(target, 0o755, manifest.epoch)


def _finish(path: Path, mode: int | None, epoch: int) -> None:
    if os.geteuid() == 0:
        os.chown(path, 0, 0, follow_symlinks=False)
    if mode is not None:
        path.chmod(mode)
    os.utime(path, ns=(epoch * _NANOSECONDS,) * 2, follow_symlinks=False)
