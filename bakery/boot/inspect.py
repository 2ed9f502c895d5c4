"""What an image itself shows before it boots: for which systems it is, what it brings and hides."""

from __future__ import annotations

import os
import re
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.check import os_release
from bakery.check.loader import contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager

    from bakery.boot.machine import BootImage

_RELEASES = "usr/lib/extension-release.d"
_UNITS = "usr/lib/systemd/system"
_RULES = "usr/lib/udev/rules.d"
_SYSCTLS = "usr/lib/sysctl.d"
# Templates are no units before an instance of them is there
_UNIT = re.compile(r".+(?<!@)\.(service|socket|timer|path|mount|automount|target|swap)")
_INSTANCE = re.compile(r"([\w.:\\-]+@)[\w.:\\-]+(\.(?:service|socket|timer|path|mount))\b")
HIERARCHIES = ("usr", "opt")


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """What images bring that acts on a host.

    Attributes:
        units: names of units, and of those instances of templates that a unit or drop-in names.
        unit_files: the names of all that lies beside them: templates and folders of drop-ins, too.
        rules: paths of udev's rules.
        sysctls: paths of files for systemd-sysctl.

    """

    units: tuple[str, ...] = ()
    unit_files: frozenset[str] = frozenset()
    rules: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What an image shows.

    Attributes:
        release: what its release file says; nothing where it has none of its name.
        paths: of its files that act on a host.
        instances: the names of instances of templates that its units and drop-ins have in them.

    """

    release: Mapping[str, str]
    paths: tuple[str, ...]
    instances: tuple[str, ...] = ()


def inspection(image: BootImage) -> Inspection:
    """Return what an image shows.

    Raises:
        ImageUnreadableError: it is not an image, or a damaged one.

    """
    with _opened(image) as root:
        try:
            text = (root / _RELEASES / f"extension-release.{image.name}").read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            text = ""
        paths = [
            f"/{folder}/{entry.name}"
            for folder in (_UNITS, _RULES, _SYSCTLS)
            if (root / folder).is_dir()
            for entry in os.scandir(root / folder)
        ]
        instances = _instances(root / _UNITS)
    return Inspection(
        release=os_release.parse(text).values,
        paths=tuple(sorted(paths)),
        instances=tuple(sorted(instances)),
    )


def _instances(units: Path) -> set[str]:
    texts = [
        path.name if path.is_symlink() else path.read_text("utf-8", "replace")
        for path in units.rglob("*")
        if path.is_symlink() or path.is_file()
    ]
    return {found[0] for text in texts for found in _INSTANCE.finditer(text)}


def shipped(images: Iterable[Inspection]) -> Shipped:
    """Return what images bring together."""
    images = list(images)
    paths = [Path(path) for path in dict.fromkeys(chain.from_iterable(i.paths for i in images))]
    named = dict.fromkeys(chain.from_iterable(i.instances for i in images))
    by_folder = {
        folder: [path for path in paths if path.parent == Path("/", folder)]
        for folder in (_UNITS, _RULES, _SYSCTLS)
    }
    units = dict.fromkeys(path.name for path in by_folder[_UNITS])
    instances = [each for each in named if _INSTANCE.sub(r"\1\2", each) in units]
    return Shipped(
        units=(*filter(_UNIT.fullmatch, units), *(i for i in instances if i not in units)),
        unit_files=frozenset(units),
        rules=tuple(str(path) for path in by_folder[_RULES] if path.suffix == ".rules"),
        sysctls=tuple(map(str, by_folder[_SYSCTLS])),
    )


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


def _opened(image: BootImage) -> AbstractContextManager[Path]:
    return nullcontext(image.path) if image.path.is_dir() else contents(image.path)
