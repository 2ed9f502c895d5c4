"""SELinux labels on files, as setfiles leaves them, and a mksquashfs that writes them."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from bakery.image.labels import label, place
from bakery.image.manifest import LABEL
from harness.native import ARCH

if TYPE_CHECKING:
    from pathlib import Path

    from harness.debian import Debian

LIBRARIES = ("libc6", "liblzo2-2", "libzstd1", "liblz4-1", "zlib1g", "liblzma5")


def attach(path: Path, type_: str) -> None:
    """Label one file."""
    os.setxattr(path, LABEL, f"{label(type_)}\0".encode(), follow_symlinks=False)


def attach_all(root: Path) -> None:
    """Label a tree: everything as it belongs to its place."""
    for path in (root, *root.rglob("*")):
        runs = path.is_file() and not path.is_symlink() and bool(path.stat().st_mode & 0o111)
        attach(path, place(str(path.relative_to(root)), executable=runs))


def squashfs_tools(folder: Path, debian: Debian) -> Path:
    """Return a folder with mksquashfs of a Debian release, which brings what it loads along."""
    places = [debian.unpacked(ARCH, package) for package in LIBRARIES]
    libraries = [place for each in places for place in each.glob("usr/lib/*-linux-gnu")]
    loader = next(places[0].glob("usr/lib/*-linux-gnu/ld-linux-*.so.*"))
    program = debian.program(ARCH, "squashfs-tools", "mksquashfs")
    folder.mkdir()
    script = folder / "mksquashfs"
    words = shlex.join([str(loader), "--library-path", ":".join(map(str, libraries)), str(program)])
    script.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    script.chmod(0o755)
    return folder
