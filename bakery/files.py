"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that it appears complete or not at all; for one writer at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def replace(new: Path, old: Path) -> None:
    """Put a finished file or folder in place of an older one.

    For a moment neither is there, which counts as not made; never a mixture.
    """
    old.parent.mkdir(parents=True, exist_ok=True)
    if new.is_dir() and old.exists():
        aside = new.with_name(f"{new.name}.replaced")
        remove(aside)
        old.rename(aside)
        new.rename(old)
        remove(aside)
    else:
        new.replace(old)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
