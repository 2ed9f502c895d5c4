"""What an image itself says before it boots: which systems it is for, and what it would hide."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.check import os_release
from bakery.check.loader import contents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.boot.machine import BootImage

_RELEASES = "usr/lib/extension-release.d"
HIERARCHIES = ("usr", "opt")


def release(image: BootImage) -> Mapping[str, str]:
    """Return what an image's release file says; nothing where it has none of its name.

    Raises:
        ImageUnreadableError: it is not an image, or a damaged one.

    """
    with _opened(image) as root:
        try:
            text = (root / _RELEASES / f"extension-release.{image.name}").read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return {}
    return os_release.parse(text).values


def misfit(name: str, release: Mapping[str, str], system: Mapping[str, str]) -> str | None:
    """Return why an image is not meant for a system; None when it is, or does not say.

    The rules are systemd's: see os-release(5) on extension-release files. What it says about
    architectures is no such reason: machines of the wrong one are not chosen.

    Args:
        name: the image's.
        release: its release file.
        system: the system's os-release; empty where that is not known.

    """
    if not system or release.get("ID", "_any") == "_any":
        return None
    ours = f"{system.get('ID')} {system.get('VERSION_ID', '')}".strip()
    theirs = release["ID"]
    if theirs != system.get("ID"):
        return f"{name} is for {theirs}, and this is {ours}"
    if "SYSEXT_LEVEL" in release and "SYSEXT_LEVEL" in system:
        field = "SYSEXT_LEVEL"
    elif "VERSION_ID" in release:
        field = "VERSION_ID"
    else:
        return None
    if release[field] == system.get(field, release[field]):  # rolling releases have none
        return None
    return f"{name} is for {theirs} {release[field]}, and this is {ours}"


def shadowed(image: BootImage, system: Path) -> list[str]:
    """Return the folders of a system that an image would hide behind something else.

    Args:
        image: what is merged.
        system: the folder that has the system's /usr and /opt.

    """
    hidden = []
    with _opened(image) as root:
        for hierarchy in HIERARCHIES:
            for folder, _, _ in os.walk(root / hierarchy):
                path = Path(folder).relative_to(root)
                hidden += [
                    f"/{path}/{entry.name}"
                    for entry in os.scandir(folder)
                    if _hides(entry, system / path / entry.name)
                ]
    return sorted(hidden)


def _hides(entry: os.DirEntry[str], folder: Path) -> bool:
    if not folder.is_dir():
        return False
    if entry.is_symlink() and folder.is_symlink():
        return Path(entry.path).readlink() != folder.readlink()
    return folder.is_symlink() or not entry.is_dir(follow_symlinks=False)


@contextmanager
def _opened(image: BootImage) -> Iterator[Path]:
    if image.path.is_dir():
        yield image.path
        return
    with contents(image.path) as root:
        yield root
