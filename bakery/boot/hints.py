"""What logs mean, for somebody who sees such a message for the first time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


# The text of the first pattern that a log has; `{name}` in it stands for the group of that name.
_MEANINGS = {
    r"version `(?P<version>GLIBC\w*_[\w.]+)' not found": (
        "The program was linked against a newer C library than this system has: {version} is"
        " missing. Use a statically linked program, ship its libraries and loader in the image,"
        " or say in `os:` which system it is for."
    ),
    r"error while loading shared libraries: (?P<library>[^:\s]+): cannot open": (
        "The program needs the library {library}, which neither this system nor the image has."
        " Use a statically linked program, or ship the library in the image."
    ),
    (
        r"Failed at step EXEC spawning (?P<program>[^\s:]+): "
        r"(No such file or directory|Permission denied)"
    ): (
        "systemd could not run {program}: either the unit names a wrong path, or the file is"
        " not executable, or the interpreter that it names (#! or ELF) is missing here."
    ),
    r"[Ee]xec format error|cannot execute binary file": (
        "The program is for another processor architecture, or is no program at all."
    ),
    r"[Aa]ddress already in use": (
        "Something else in this system listens on the same address already."
    ),
    (
        r"(?s)(Failed to (determine|resolve)( \w+)? ?(user|group)|status=21[67]/)"
        r".*(?P<file>/usr/lib/sysusers\.d/[^:]+):(?P<line>[^\n]+)"
    ): (
        "{file} declares the account, but nobody had made it when the unit started: systemd"
        " reads sysusers.d before the merge. A unit that runs `systemd-sysusers` must come"
        " first; this project's images have one."
    ),
    r"Failed to (determine|resolve)( \w+)? ?(user|group)|status=21[67]/(USER|GROUP)": (
        "The unit names a user or group that does not exist: ship a file in usr/lib/sysusers.d"
        " that makes it (`account:` in a recipe does it)."
    ),
    (
        r"(?i)modprobe: (FATAL|ERROR).*?(?P<module>[\w-]+)(:| not found| in directory)"
        r"|failed to find module '(?P<other>[\w-]+)'|(unable to|cannot|can't|could not) load"
        r" (kernel )?module"
    ): (
        "It needs a kernel module, and a container can load none: say `machine: vm` in check.yaml."
    ),
    (
        r"(?i)(?P<path>/(usr|opt)/[\w./@+-]*)['\"]?:? [^\n]*read-only file system"
        r"|read-only file system[^\n]*?(?P<other>/(usr|opt)/[\w./@+-]*)"
    ): (
        "It writes below /usr or /opt, which are read-only on a host with extensions: let it"
        " write below /var, with StateDirectory= in its unit."
    ),
    (
        r"Failed to load environment files|(?P<path>/etc/[\w./@+-]+)['\"]?:? "
        r"[^\n]*[Nn]o such file or directory|[Nn]o such file or directory[^\n]*?/etc/"
    ): (
        "It reads a file in /etc that is not there: an image has no /etc. Ship a default below"
        " usr/share, and copy it with a `C` line in tmpfiles.d, applied before it starts."
    ),
    (
        r"(?P<path>/var/(lib|cache|log)/[\w./@+-]+)['\"]?:? "
        r"[^\n]*([Nn]o such file or directory|[Pp]ermission denied|[Dd]irectory nonexistent)"
        r"|status=238/STATE_DIRECTORY|Failed to set up special execution directory"
    ): (
        "A folder below /var is not there, or not the service's own: StateDirectory= in its"
        " unit (CacheDirectory=, LogsDirectory=) makes it, under exactly the name it uses."
    ),
    r"start operation timed out|it is activating \(start\)": (
        "It hangs while it starts: with Type=notify it has not said READY=1, with Type=forking"
        " or oneshot its first process has not ended."
    ),
    r"for architecture '(?P<theirs>[^']*)', but deployed on top of '(?P<ours>[^']*)'": (
        "The image is for {theirs} computers (ARCHITECTURE= in its release file); this one is"
        " {ours}."
    ),
    # systemd says "OS" for VERSION_ID= as well
    r"is for OS '(?P<theirs>\d[^']*)', but deployed on top of '(?P<ours>[^']*)'": (
        "The image is for version {theirs} of this system only (VERSION_ID= in its release"
        " file); this is {ours}."
    ),
    r"is for OS '(?P<theirs>[^']*)', but deployed on top of '(?P<ours>[^']*)'": (
        "The image is for the system {theirs} only (ID= in its release file); this is {ours}."
        " Images for `os: any` are merged everywhere."
    ),
    r"does not contain VERSION_ID in .* requested to match '(?P<ours>[^']*)'": (
        "The image does not say which version of this system it is for: its release file needs"
        " VERSION_ID={ours}, or ID=_any for all systems."
    ),
    r"Failed to read metadata for image .*: (Device or resource busy|No such device)": (
        "No loop device was free to mount the image with: see `losetup --list` on this computer"
        " for what holds them."
    ),
    r"carries no (extension-)?release data": (
        "The image has no release file in usr/lib/extension-release.d, or an empty one: it"
        " needs at least ID=_any."
    ),
}


def meaning(log: str) -> str | None:
    """Return what a log says in plain words, or None when it holds no known message."""
    for pattern, text in _MEANINGS.items():
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
