"""Which paths and link targets stay inside the folder that they are unpacked to.

What goes wrong elsewhere is listed as CWE-22 and CWE-59; CVE-2007-4559 is Python's own case.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
LONGEST_PATH = 4096  # PATH_MAX and NAME_MAX of Linux, in bytes
_LONGEST_NAME = 255


class UnsafePathError(Exception):
    """A path or a link's target can't be allowed; the text completes a sentence about it."""


def spelled(raw: bytes) -> str:
    """Return a member's path, whatever it is, as text to compare and show; never to write to."""
    return "/".join(_steps(raw.decode(errors="backslashreplace")))


def normalised(raw: bytes, *, is_folder: bool) -> str:
    """Return a member's path without `.` and needless slashes; empty for the tree's own root.

    A backslash is a letter, as it is to Linux and in the names of systemd's units.

    Raises:
        UnsafePathError: the path is empty, absolute, not portable, or goes up.

    """
    path = _decoded(raw, "path")
    if path.startswith("/"):
        raise UnsafePathError("its path is absolute")
    steps = _steps(path)
    if ".." in steps:
        raise UnsafePathError("its path goes up with '..'")
    if any(len(step.encode()) > _LONGEST_NAME for step in steps):
        raise UnsafePathError(f"a name in its path has more than {_LONGEST_NAME} bytes")
    if not steps and not is_folder:
        raise UnsafePathError("it takes the place of the archive's root")
    return "/".join(steps)


def target(raw: bytes, path: str, *, rooted: bool) -> str:
    """Return the target of the symbolic link at `path` as text.

    A `..` after a name is refused, since where it leads depends on whether that name is a link.

    Args:
        raw: the target as the archive has it.
        path: where the link stands.
        rooted: whether an absolute target starts at the tree's root, as in a Debian package.

    Raises:
        UnsafePathError: the target is empty, leaves the tree, or could.

    """
    text = _decoded(raw, "target")
    absolute = text.startswith("/")
    if absolute and not rooted:
        raise UnsafePathError(f"it links to the absolute path {text!r}")
    steps = _steps(text)
    climbs = next((i for i, step in enumerate(steps) if step != ".."), len(steps))
    if climbs > (0 if absolute else path.count("/")):
        raise UnsafePathError(f"it links to {text!r}, which is outside the archive")
    if ".." in steps[climbs:]:
        raise UnsafePathError(f"it links to {text!r}, which goes up after it went down")
    return text


def _decoded(raw: bytes, what: str) -> str:
    if not raw:
        raise UnsafePathError(f"its {what} is empty")
    if len(raw) > LONGEST_PATH:
        raise UnsafePathError(f"its {what} has more than {LONGEST_PATH} bytes")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise UnsafePathError(f"its {what} is not UTF-8") from None
    if _CONTROL.search(text):
        raise UnsafePathError(f"its {what} has a control character")
    return text


def _steps(path: str) -> list[str]:
    return [step for step in path.split("/") if step not in ("", ".")]
