"""What logs mean, for somebody who sees such a message for the first time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Meaning(NamedTuple):
    """A message, and what it means; `{name}` stands for the pattern's group of that name."""

    pattern: str
    text: str


_MEANINGS = (
    _Meaning(
        pattern=r"version `(?P<version>GLIBC\w*_[\w.]+)' not found",
        text=(
            "The program was linked against a newer C library than this system has: {version} is"
            " missing. Use a statically linked program, ship its libraries and loader in the image,"
            " or say in `os:` which system it is for."
        ),
    ),
    _Meaning(
        pattern=r"error while loading shared libraries: (?P<library>[^:\s]+): cannot open",
        text=(
            "The program needs the library {library}, which neither this system nor the image has."
            " Use a statically linked program, or ship the library in the image."
        ),
    ),
    _Meaning(
        pattern=r"Failed at step EXEC spawning (?P<program>[^\s:]+): "
        r"(No such file or directory|Permission denied)",
        text=(
            "systemd could not run {program}: either the unit names a wrong path, or the file is"
            " not executable, or the interpreter that it names (#! or ELF) is missing here."
        ),
    ),
    _Meaning(
        pattern=r"[Ee]xec format error|cannot execute binary file",
        text="The program is for another processor architecture, or is no program at all.",
    ),
    _Meaning(
        pattern=r"[Aa]ddress already in use",
        text="Something else in this system listens on the same address already.",
    ),
    _Meaning(
        pattern=r"Failed to (determine (user|group)|resolve (user|group))|status=217/USER",
        text=(
            "The unit names a user or group that does not exist: ship a file in usr/lib/sysusers.d"
            " that makes it."
        ),
    ),
    _Meaning(
        pattern=r"for architecture '(?P<theirs>[^']*)', but deployed on top of '(?P<ours>[^']*)'",
        text=(
            "The image is for {theirs} computers (ARCHITECTURE= in its release file); this one is"
            " {ours}."
        ),
    ),
    # systemd says "OS" for VERSION_ID= as well
    _Meaning(
        pattern=r"is for OS '(?P<theirs>\d[^']*)', but deployed on top of '(?P<ours>[^']*)'",
        text=(
            "The image is for version {theirs} of this system only (VERSION_ID= in its release"
            " file); this is {ours}."
        ),
    ),
    _Meaning(
        pattern=r"is for OS '(?P<theirs>[^']*)', but deployed on top of '(?P<ours>[^']*)'",
        text=(
            "The image is for the system {theirs} only (ID= in its release file); this is {ours}."
            " Images for `os: any` are merged everywhere."
        ),
    ),
    _Meaning(
        pattern=r"does not contain VERSION_ID in .* requested to match '(?P<ours>[^']*)'",
        text=(
            "The image does not say which version of this system it is for: its release file needs"
            " VERSION_ID={ours}, or ID=_any for all systems."
        ),
    ),
    _Meaning(
        pattern=r"Failed to read metadata for image .*: (Device or resource busy|No such device)",
        text=(
            "No loop device was free to mount the image with: see `losetup --list` on this computer"
            " for what holds them."
        ),
    ),
    _Meaning(
        pattern=r"carries no (extension-)?release data",
        text=(
            "The image has no release file in usr/lib/extension-release.d, or an empty one: it"
            " needs at least ID=_any."
        ),
    ),
)


def meaning(log: str) -> str | None:
    """Return what a log says in plain words, or None when it holds no known message."""
    for pattern, text in _MEANINGS:
        if match := re.search(pattern, log):
            return text.format(**match.groupdict())
    return None


def refusal(name: str, log: str, releases: Sequence[str]) -> str | None:
    """Return why an image was probably not merged; None when nothing explains it.

    Args:
        name: what the host calls the image.
        log: what systemd-sysext says about it.
        releases: the names of the release files in the image; none when it can't be mounted.

    """
    wanted = f"extension-release.{name}"
    if releases and wanted not in releases:
        own = releases[0].removeprefix("extension-release.")
        return (
            f"The image is called {name} here, but holds {', '.join(releases)} and no {wanted}."
            f" An image can't be renamed by renaming its file: install it as {own}.raw, or build it"
            f" under the name {name}."
        )
    if not releases:
        return meaning(log) or (
            f"No usr/lib/extension-release.d/{wanted} can be read from it: either the image is"
            " damaged, or it was not made as a system extension."
        )
    return meaning(log)
