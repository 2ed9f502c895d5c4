"""A plain folder, for `systemd-sysext` and for looking around.

Its files are copies: an edit of one never reaches the staged tree. Owners are root's only where
root writes it.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from bakery.errors import SystemRefusesError
from bakery.image.manifest import LABEL
from bakery.recipe.capabilities import ATTRIBUTE

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.image.formats.job import Job
    from bakery.image.manifest import Manifest, ManifestEntry
    from bakery.settings import Profile

_NANOSECONDS = 10**9


def describe(_profile: Profile) -> str:
    """Return what decides the bytes: the manifest alone."""
    return "copies of files"


def unlabelled() -> str | None:
    """Return why images get no SELinux labels here; None where they get them."""
    return None if os.geteuid() == 0 else "only root can give files labels"


def write(job: Job) -> None:
    """Write the folder."""
    copy(job.tree, job.output, job.manifest)


def copy(tree: Path, target: Path, manifest: Manifest) -> None:
    """Copy a tree so that the copy has the manifest's modes, times, capabilities and labels.

    Raises:
        SystemRefusesError: files have capabilities or labels that this user may not give them.
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
    capabilities = manifest.attributes
    for entry in reversed(manifest.entries):
        _finish(target / entry.path, None if entry.type == "link" else entry.mode, manifest.epoch)
        if entry.path in capabilities:
            _set_capabilities(target / entry.path, entry, capabilities[entry.path])
    _finish(target, 0o755, manifest.epoch)
    for name, label in manifest.labels.items():
        _set_label(target / name, label)


def _finish(path: Path, mode: int | None, epoch: int) -> None:
    if os.geteuid() == 0:
        os.chown(path, 0, 0, follow_symlinks=False)
    if mode is not None:
        path.chmod(mode)
    os.utime(path, ns=(epoch * _NANOSECONDS,) * 2, follow_symlinks=False)


def exact_copy(tree: Path, target: Path, manifest: Manifest) -> None:
    """Copy a tree for a tool that takes all attributes of files into the image.

    Raises:
        SystemRefusesError: files have capabilities, and this user may not give them any; or the
            system gives files attributes of its own.
        OSError: a file can't be read or written.

    """
    copy(tree, target, manifest)
    for entry in manifest.entries if manifest.attributes else ():
        others = {*os.listxattr(target / entry.path, follow_symlinks=False)} - {ATTRIBUTE}
        if others:
            raise SystemRefusesError(
                f"the capabilities of files can't be written without {', '.join(sorted(others))}",
                where=str(target),
                why="the system gives every file this attribute, and the tool would take both",
                fix="build on a file system without it, or with squashfs-tools 4.6 or newer and"
                " `format: squashfs`",
            )


def _set_label(path: Path, label: bytes) -> None:
    try:
        os.setxattr(path, LABEL, label, follow_symlinks=False)
    except OSError as error:
        raise SystemRefusesError(
            f"{path} can't be given the label {label[:-1].decode()}",
            why=error.strerror,
            fix="build where SELinux is off, or another `format:`, which needs no such files",
        ) from None


def _set_capabilities(path: Path, entry: ManifestEntry, attribute: bytes) -> None:
    try:
        os.setxattr(path, ATTRIBUTE, attribute)
    except OSError as error:
        raise SystemRefusesError(
            f"/{entry.path} can't be given {entry.capabilities}",
            why=f"{error.strerror}: of these tools only root's take capabilities, from files"
            " that have them",
            fix="build it as root, or with squashfs-tools 4.6 or newer and `format: squashfs`",
        ) from None
