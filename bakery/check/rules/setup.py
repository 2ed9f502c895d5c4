"""Rules about what hosts read before they merge images, and no more afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.check import fragment_files, unit_files
from bakery.check.rule import Violation, rule
from bakery.check.rules.accounts import strangers
from bakery.check.unit_files import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.subject import Subject


@dataclass(frozen=True)
class _Applied:
    """Files that a tool applies.

    Attributes:
        folder: where they are.
        suffixes: how their names end.
        tools: the programs, one of which a unit has to run.
        named: whether a tool applies only those that it is given, if it is given any.

    """

    folder: str
    suffixes: tuple[str, ...]
    tools: tuple[str, ...]
    named: bool = True


_TMPFILES = _Applied(fragment_files.TMPFILES, (".conf",), ("systemd-tmpfiles",))
_APPLIED = (
    _Applied(fragment_files.SYSUSERS, (".conf",), ("systemd-sysusers",)),
    _Applied("usr/lib/sysctl.d", (".conf",), ("systemd-sysctl", "sysctl")),
    _Applied("usr/lib/modules-load.d", (".conf",), ("systemd-modules-load",)),
    _Applied("usr/lib/binfmt.d", (".conf",), ("systemd-binfmt",)),
    _Applied("usr/lib/udev/rules.d", (".rules",), ("udevadm",), False),
    _Applied("usr/lib/systemd/network", (".network", ".netdev"), ("networkctl",), False),
)
_IN_ETC = "let a line of tmpfiles.d copy it to /etc{rest} (`config:` in a recipe does it)"
_UNREAD = {  # folder: what to do instead
    "usr/lib/systemd/system-generators": "ship the units that it would generate",
    "usr/lib/systemd/user-generators": "ship the units that it would generate",
    "usr/lib/systemd/system-environment-generators": "set Environment= in the units",
    "usr/lib/systemd/user-environment-generators": "set Environment= in the units",
    "usr/lib/systemd/system-preset": (
        "start units by a drop-in with Upholds= (`start:` in a recipe does it)"
    ),
    "usr/lib/systemd/user-preset": "ship a link in /etc/systemd/user by a line of tmpfiles.d",
    "usr/lib/systemd/user": (
        "ship a system unit with User=, or say in README.md that users log in again; then `allow:`"
        " accepts it"
    ),
    "usr/lib/environment.d": "set Environment= in the units, or a default in the program's wrapper",
    "usr/lib/udev/hwdb.d": "set the properties in usr/lib/udev/rules.d",
}


@rule(
    "setup-missing",
    "error",
    reason=(
        "hosts read it before they merge images, or only when their own /usr changes, so it does"
        " nothing"
    ),
    fix=(
        "build it with this project, whose images set themselves up, or apply it in a unit that"
        " runs before the services"
    ),
)
def setup_missing(subject: Subject) -> Iterator[Violation]:
    """Find accounts, settings of the kernel and the like that no unit of the image applies."""
    for kind in _APPLIED:
        names = _applied(subject, kind)
        for node in subject.tree.below(kind.folder, *kind.suffixes):
            if node.folder == kind.folder and not names & {node.name, "*"}:
                yield Violation(
                    node.path, f"is applied by no unit of the image; {kind.tools[0]} would"
                )


@rule(
    "tmpfiles-setup",
    "error",
    reason=(
        "at boot tmpfiles.d is read before anything has made the image's accounts, and after a"
        " merge it is not read at all: the line makes nothing"
    ),
    fix=(
        "apply it in a unit that runs before the service: ExecStart=systemd-sysusers NAME.conf,"
        " then ExecStart=systemd-tmpfiles --create NAME.conf; images of this project do"
    ),
)
def tmpfiles_setup(subject: Subject) -> Iterator[Violation]:
    """Find owners in tmpfiles.d whom the image makes itself, where no unit applies the file."""
    made_users, made_groups = fragment_files.users(subject)
    applied = _applied(subject, _TMPFILES)
    for line in fragment_files.own_tmpfiles(subject):
        if applied & {line.file.name, "*"}:
            continue
        for name in strangers(line):
            if name in made_users | made_groups:
                yield Violation(
                    line.file.path,
                    f"gives {line.path} to {name}, whom the image makes, and no unit applies it",
                )


@rule(
    "tmpfiles-source",
    "error",
    reason=(
        "systemd-tmpfiles copies nothing where there is nothing, and says nothing about it; a link"
        " leads nowhere"
    ),
    fix="correct the path, or ship what it names, such as below usr/share/NAME",
)
def tmpfiles_source(subject: Subject) -> Iterator[Violation]:
    """Find what tmpfiles.d copies or links to, and neither the image nor every host has."""
    for_all = subject.release.get("ID") in ("", "_any")
    for line in fragment_files.own_tmpfiles(subject):
        source = fragment_files.source(line)
        known = source is None or subject.is_outside(source)
        if known or subject.exists(subject.roots[0], source or ""):
            continue
        verb = "copies" if line.type == "C" else "links to"
        yield Violation(
            line.file.path,
            f"{verb} {source} for {line.path}, which neither the image nor every host has",
            severity=None if for_all else "warning",
            line=line.number,
        )


@rule(
    "read-before-merge",
    "warning",
    reason="what reads it has done so before the image is merged, and does not look again",
    fix="do it another way",
)
def unread(subject: Subject) -> Iterator[Violation]:
    """Find files that nothing applies after a merge: generators, presets, and others."""
    for folder, fix in _UNREAD.items():
        for node in subject.tree.below(folder):
            if node.type in ("file", "link") and node.folder == folder:
                yield Violation(node.path, "is read before the image is merged", fix=fix)
    for node in subject.tree.below("usr/lib/systemd"):
        manager = node.folder.removeprefix("usr/lib/systemd/")
        configured = manager.endswith(".conf.d") and "/" not in manager
        if configured or (manager == "network" and node.name.endswith(".link")):
            fix = _IN_ETC.format(rest=node.path.removeprefix("usr/lib"))
            yield Violation(node.path, "is read before the image is merged", fix=fix)


def _applied(subject: Subject, kind: _Applied) -> frozenset[str]:
    """Return the names of the files that a unit gives to a tool; `*` for all of them."""
    names: set[str] = set()
    for unit in unit_files.with_drop_ins(subject.tree):
        for setting in unit.values(*COMMANDS):
            words = [word.strip("\"'") for word in setting.value.split()]
            programs = {word.lstrip(unit_files.PREFIXES).rpartition("/")[2] for word in words}
            if programs & set(kind.tools):
                files = {word.rpartition("/")[2] for word in words if word.endswith(kind.suffixes)}
                names |= files if files and kind.named else {"*"}
    return frozenset(names)
