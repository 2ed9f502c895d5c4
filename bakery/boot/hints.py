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
        pattern=r"(?s)(Failed to (determine|resolve)( \w+)? ?(user|group)|status=21[67]/)"
        r".*(?P<file>/usr/lib/sysusers\.d/[^:]+):(?P<line>[^\n]+)",
        text=(
            "{file} declares the account, but nobody had made it when the unit started: systemd"
            " reads sysusers.d before the merge. A unit that runs `systemd-sysusers` must come"
            " first; this project's images have one."
        ),
    ),
    _Meaning(
        pattern=r"Failed to (determine|resolve)( \w+)? ?(user|group)|status=21[67]/(USER|GROUP)",
        text=(
            "The unit names a user or group that does not exist: ship a file in usr/lib/sysusers.d"
            " that makes it (`account:` in a recipe does it)."
        ),
    ),
    _Meaning(
        pattern=r"(?i)modprobe: (FATAL|ERROR).*?(?P<module>[\w-]+)(:| not found| in directory)"
        r"|failed to find module '(?P<other>[\w-]+)'|(unable to|cannot|can't|could not) load"
        r" (kernel )?module",
        text=(
            "It needs a kernel module, and a container can load none: say `machine: vm` in"
            " check.yaml."
        ),
    ),
    _Meaning(
        pattern=r"(?i)(?P<path>/(usr|opt)/[\w./@+-]*)['\"]?:? [^\n]*read-only file system"
        r"|read-only file system[^\n]*?(?P<other>/(usr|opt)/[\w./@+-]*)",
        text=(
            "It writes below /usr or /opt, which are read-only on a host with extensions: let it"
            " write below /var, with StateDirectory= in its unit."
        ),
    ),
    _Meaning(
        pattern=r"Failed to load environment files|(?P<path>/etc/[\w./@+-]+)['\"]?:? "
        r"[^\n]*[Nn]o such file or directory|[Nn]o such file or directory[^\n]*?/etc/",
        text=(
            "It reads a file in /etc that is not there: an image has no /etc. Ship a default below"
            " usr/share, and copy it with a `C` line in tmpfiles.d, applied before it starts."
        ),
    ),
    _Meaning(
        pattern=r"(?P<path>/var/(lib|cache|log)/[\w./@+-]+)['\"]?:? "
        r"[^\n]*([Nn]o such file or directory|[Pp]ermission denied|[Dd]irectory nonexistent)"
        r"|status=238/STATE_DIRECTORY|Failed to set up special execution directory",
        text=(
            "A folder below /var is not there, or not the service's own: StateDirectory= in its"
            " unit (CacheDirectory=, LogsDirectory=) makes it, under exactly the name it uses."
        ),
    ),
    _Meaning(
        pattern=r"start operation timed out|it is activating \(start\)",
        text=(
            "It hangs while it starts: with Type=notify it has not said READY=1, with Type=forking"
            " or oneshot its first process has not ended."
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


def missing_account(log: str) -> str | None:
    """Return the user or group that a log says is missing; None when it says no such thing."""
    match = re.search(
        r"Failed to (?:determine|resolve)(?: \w+)? ?(?:user|group)[^\n]*?"
        r"['\" ](?P<name>[a-z_][\w-]*)['\"]?: No such process",
        log,
    )
    return match["name"] if match else None


def refusal(name: str, log: str, releases: Sequence[str]) -> str | None:
    """Return why an image was probably not merged; None when nothing explains it.

    Args:
        name: what the host calls the image.
        log: what systemd-sysext says about it.
        releases: the names of the release files in the image; none when it can't be mounted.

    """
    expected = f"extension-release.{name}"
    if releases and expected not in releases:
        own = releases[0].removeprefix("extension-release.")
        return (
            f"The image is called {name} here, but holds {', '.join(releases)} and no {expected}."
            f" An image can't be renamed by renaming its file: install it as {own}.raw, or build it"
            f" under the name {name}."
        )
    if not releases:
        return meaning(log) or (
            f"The image has no usr/lib/extension-release.d/{expected}: it was not made as a system"
            " extension, or it is not for this kind of machine (an image with partitions and verity"
            " needs `machine: vm`)."
        )
    return meaning(log)
