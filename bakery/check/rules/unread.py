"""Rules about files whose names keep hosts from reading them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.check import unit_files
from bakery.check.rule import Violation, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.subject import Subject

_SUFFIXES = {
    **dict.fromkeys(
        (
            *("usr/lib/sysusers.d", "usr/lib/tmpfiles.d", "usr/lib/sysctl.d"),
            *("usr/lib/modules-load.d", "usr/lib/binfmt.d", "usr/lib/modprobe.d"),
            *("usr/share/dbus-1/system.d", "usr/share/dbus-1/session.d"),
        ),
        ".conf",
    ),
    "usr/share/dbus-1/system-services": ".service",
    "usr/lib/udev/rules.d": ".rules",
    "usr/share/polkit-1/rules.d": ".rules",
    "usr/share/polkit-1/actions": ".policy",
}
_UNIT = re.compile(rf"[^.].*\.({'|'.join(unit_files.TYPES)})")
_OF_UNITS = re.compile(rf".+\.({'|'.join(unit_files.TYPES)})\.(d|wants|requires|upholds)")
_SYSTEMD = "usr/lib/systemd"
_ELSEWHERE = (f"{_SYSTEMD}/portable", f"{_SYSTEMD}/network")


@rule(
    "name-unread",
    "error",
    reason="nothing reads a file that lies in the wrong folder or has another ending, nor says so",
    fix="correct its name, or the folder's",
)
def unread(subject: Subject) -> Iterator[Violation]:
    """Find files beside those that hosts read."""
    for folder, suffix in _SUFFIXES.items():
        for node in subject.tree.below(folder):
            documents = node.name.startswith(("README", "."))
            if node.type in ("file", "link") and not documents:
                if node.folder != folder:
                    yield Violation(node.path, f"lies in a folder of {folder}, which is not read")
                elif not node.name.endswith(suffix):
                    yield Violation(node.path, f"does not end in {suffix}")
    for node in subject.tree.below(_SYSTEMD):
        if node.type in ("file", "link") and not node.path.startswith(_ELSEWHERE):
            message = _of_units(node.folder.removeprefix(f"{_SYSTEMD}/"), node.name)
            if message:
                yield Violation(node.path, message)


def _of_units(folder: str, name: str) -> str | None:
    """Return why no manager reads a file in a folder below usr/lib/systemd."""
    top, _, rest = folder.partition("/")
    if top not in ("system", "user"):
        astray = _UNIT.fullmatch(name) and "/" not in folder and folder != _SYSTEMD
        return f"is a unit in {folder}, which systemd does not read" if astray else None
    if not rest:
        reads = name.startswith(("README", ".")) or _UNIT.fullmatch(name)
        return None if reads else "has no ending of a unit's"
    # of files in there, other rules look at the names
    looked_into = _OF_UNITS.fullmatch(rest) or unit_files.is_drop_in_folder(rest)
    return None if looked_into else f"lies in {rest}, where no unit is looked for"
