"""Rules about units, programs and paths that are named by those that need them, and not there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.check import fragment_files, host, unit_files
from bakery.check.rule import Violation, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.subject import Subject
    from bakery.check.tree import Node
    from bakery.check.unit_files import Unit

_BUS_SERVICES = "usr/share/dbus-1/system-services"
_TRIGGERS = {"socket": "Service", "timer": "Unit", "path": "Unit"}  # by type: what names the unit
_NEEDS = ("Requires", "BindsTo", "Requisite", "OnFailure", "OnSuccess", "Sockets")
_OF_FILES = (".service", ".socket", ".timer", ".path", ".target")  # others systemd makes up
_FOR_SEVERAL = re.compile(r"[a-z]+|.+-\.[a-z]+")  # `service.d` and `app-.service.d`
_DIRECTORIES = {
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
}
_MADE_BY_TMPFILES = "dDvqQeLCfF"
_PATHS = (
    *("WorkingDirectory", "RootDirectory", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths"),
    *("ExecPaths", "NoExecPaths", "BindPaths", "BindReadOnlyPaths"),
)
# Where each program has a folder of its own; those that hosts have left out
_OWN = re.compile(r"/var/(lib|cache|log)/(?!systemd|dbus|journal|private|misc|apt|dpkg)[^/].*")


@rule(
    "unit-missing",
    "error",
    reason="systemd can't start what needs a unit that is not there, and ignores other mentions",
    fix="correct the name, or ship the unit; `requires:` in a recipe names the image that has it",
)
def missing(subject: Subject) -> Iterator[Violation]:
    """Find units that are triggered, needed or extended, and that neither image nor host has."""
    for unit in unit_files.with_drop_ins(subject.tree):
        if unit.file is None:
            if not (_FOR_SEVERAL.fullmatch(unit.name) or _is_there(subject, unit.name)):
                for path in dict.fromkeys(each.file.path for each in unit.settings):
                    yield Violation(
                        path,
                        f"is a drop-in for {unit.name}, which neither the image nor every host has",
                        severity="warning",
                    )
            continue
        triggered = _triggered(unit)
        if triggered and not _is_there(subject, triggered):
            yield Violation(unit.file.path, f"triggers {triggered}, which is not there")
        for setting in unit.values(*_NEEDS):
            for name in setting.value.split():
                if not _is_there(subject, name):
                    yield Violation(
                        setting.file.path,
                        f"has {setting.key}={name}, which neither the image nor every host has",
                        severity="warning",
                    )


def _is_there(subject: Subject, name: str) -> bool:
    if "%" in name or not name.endswith(_OF_FILES) or host.has_unit(name):
        return True
    return any(unit_files.provides(tree, name) for tree in subject.providers)


def _triggered(unit: Unit) -> str | None:
    """Return the unit that a socket, timer or path starts."""
    stem, _, kind = unit.name.rpartition(".")
    if kind not in _TRIGGERS or (unit.file is not None and unit.file.type == "link"):
        return None
    if named := unit.last(_TRIGGERS[kind]):
        return named.value
    accept = unit.last("Accept")
    each = accept is not None and unit_files.is_true(accept.value)
    return f"{stem}@.service" if each and "@" not in stem else f"{stem}.service"


@rule(
    "bus-service",
    "error",
    reason="who calls the name on the bus waits in vain: the bus can't start the service",
    fix="correct the name, or ship what it starts",
)
def bus_services(subject: Subject) -> Iterator[Violation]:
    """Find units and programs that the bus is to start, and that are not there."""
    for node in subject.tree.below(_BUS_SERVICES, ".service"):
        said = dict(_assignments(node))
        unit, program = said.get("SystemdService"), said.get("Exec", "").partition(" ")[0]
        if unit and not _is_there(subject, unit):
            yield Violation(node.path, f"starts {unit}, which neither the image nor every host has")
        elif not unit and program and not subject.exists(subject.roots[0], program):
            yield Violation(
                node.path, f"runs {program}, which neither the image nor every host has"
            )


def _assignments(node: Node) -> Iterator[tuple[str, str]]:
    for line in (node.text or "").splitlines():
        key, equals, value = line.partition("=")
        if equals:
            yield key.strip(), value.strip()


@rule(
    "unit-path",
    "error",
    reason=(
        "a service whose path is not there fails before it runs: «status=200/CHDIR» or"
        " «status=226/NAMESPACE»"
    ),
    fix=(
        "correct the path; let StateDirectory= or a line of tmpfiles.d make it; or begin it with -"
        " where the service runs without it"
    ),
)
def unit_paths(subject: Subject) -> Iterator[Violation]:
    """Find folders and files that a unit's settings name, and that nothing makes."""
    units = tuple(unit_files.with_drop_ins(subject.tree))
    made = [*_made(units), *_lines(subject)]
    for unit in units:
        root = unit.last("RootDirectory") or unit.last("RootImage")
        for setting in unit.values(*_PATHS):
            if root is not None and setting.key != "RootDirectory":
                continue
            for word in setting.value.split():
                path = word.lstrip("+").partition(":")[0].rstrip("/")
                if _is_missing(subject, path, made):
                    yield Violation(
                        setting.file.path,
                        f"has {setting.key}={setting.value}, and nothing makes {path}",
                        severity=None if path.startswith("/usr/") else "warning",
                    )


def _made(units: tuple[Unit, ...]) -> Iterator[str]:
    """Yield the folders that units make: systemd.exec(5)."""
    for unit in units:
        for setting in unit.values(*_DIRECTORIES):
            for word in setting.value.split():
                yield f"{_DIRECTORIES[setting.key]}/{word.partition(':')[0]}"


def _lines(subject: Subject) -> Iterator[str]:
    for line in fragment_files.tmpfiles(subject):
        if line.type in _MADE_BY_TMPFILES:
            yield line.path


def _is_missing(subject: Subject, path: str, made: list[str]) -> bool:
    if not path.startswith("/") or "%" in path or "\\" in path:
        return False
    if path.startswith("/usr/"):
        return not (subject.is_outside(path) or subject.exists(subject.roots[0], path))
    makes = any(f"{each}/".startswith(f"{path}/") for each in made)
    return bool(_OWN.fullmatch(path)) and not makes
