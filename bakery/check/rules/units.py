"""Rules about units: whether systemd reads and starts them, and what they name exists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.check import fragment_files, host, unit_files
from bakery.check.rule import Violation, rule
from bakery.check.tree import inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bakery.check.subject import Subject
    from bakery.check.tree import Node
    from bakery.check.unit_files import Setting

_DEPENDENCY = re.compile(rf"{unit_files.SYSTEM}/([^/]+)\.(wants|requires)/([^/]+)")
_EXEC = re.compile(r"Exec(Start|StartPre|StartPost|Condition|Reload|Stop|StopPre|StopPost)")
_SEARCH_PATH = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin")
_USER_KEYS = ("User", "SocketUser")
_GROUP_KEYS = ("Group", "SocketGroup", "SupplementaryGroups")


@rule(
    "drop-in-suffix",
    "error",
    reason="systemd reads only drop-ins that end in .conf, and says nothing about the others",
    fix="rename it to end in .conf",
)
def suffix(subject: Subject) -> Iterator[Violation]:
    """Find drop-ins that systemd does not read."""
    for node in subject.tree.below("usr/lib/systemd"):
        in_folder = unit_files.is_drop_in_folder(node.folder.rpartition("/")[2])
        if in_folder and node.type != "directory" and not node.name.endswith(".conf"):
            yield Violation(
                node.path, "is a drop-in without .conf", fix=f"rename it to {node.name}.conf"
            )


def _dependencies(subject: Subject, kind: str) -> Iterator[Violation]:
    for node in subject.tree.below(unit_files.SYSTEM):
        match = _DEPENDENCY.fullmatch(node.path)
        if match and match[2] == kind:
            target, unit = match[1], match[3]
            yield Violation(
                node.path,
                f"is a link that systemd may follow before the image's {unit} is known",
                fix=(
                    f"ship {unit_files.SYSTEM}/{target}.d/10-{subject.name}.conf instead, with"
                    " two lines:"
                    f" [Unit] and Upholds={unit} (`start: [{unit}]` in a recipe does it)"
                ),
            )


@rule(
    "wants-link",
    "error",
    reason=(
        "systemd drops a link to a unit that does not exist yet when it first loads, so nothing"
        " is started"
    ),
    fix="use a drop-in with Upholds=",
)
def wants(subject: Subject) -> Iterator[Violation]:
    """Find links in .wants folders."""
    return _dependencies(subject, "wants")


@rule(
    "requires-link",
    "error",
    reason="a required unit that does not exist yet, or was unmerged, stops the boot",
    fix="use a drop-in with Upholds=",
)
def requires(subject: Subject) -> Iterator[Violation]:
    """Find links in .requires folders."""
    return _dependencies(subject, "requires")


@rule(
    "required-by",
    "error",
    reason=(
        "who enables the unit gets a .requires link: once the image is unmerged, it stops the boot"
    ),
    fix="write WantedBy= in the unit's [Install] section",
)
def required_by(subject: Subject) -> Iterator[Violation]:
    """Find units with RequiredBy=."""
    for setting in unit_files.settings(subject.tree):
        if (setting.section, setting.key) == ("Install", "RequiredBy") and setting.value:
            yield Violation(setting.file.path, f"has RequiredBy={setting.value}")


@rule(
    "start-unit",
    "error",
    reason="a unit that does not exist can't be started, and systemd tries again and again",
    fix="correct the name in `start:`, or ship the unit",
)
def start(subject: Subject) -> Iterator[Violation]:
    """Find units to start that do not exist."""
    started = dict.fromkeys(subject.context.start, unit_files.SYSTEM)
    for setting in unit_files.settings(subject.tree):
        if (setting.section, setting.key) == ("Unit", "Upholds"):
            started |= dict.fromkeys(setting.value.split(), setting.file.path)
    for name, path in started.items():
        provided = any(unit_files.provides(tree, name) for tree in subject.providers)
        if not (provided or host.has_unit(name)):
            yield Violation(path, f"is to start {name}, which is not there")


@rule(
    "unit-program",
    "error",
    reason="a service whose program is missing fails with «status=203/EXEC»",
    fix="correct the path, or ship the program; what every host has is in bakery/check/host.py",
)
def programs(subject: Subject) -> Iterator[Violation]:
    """Find command lines whose program neither the image nor every host has."""
    for setting in _all_settings(subject):
        if not _EXEC.fullmatch(setting.key) or not setting.value:
            continue
        name, ignored = unit_files.program(setting.value)
        problem = _problem(subject, name)
        if problem:
            yield Violation(
                setting.file.path,
                f"runs {name}, {problem}",
                fix=_better(subject, name),
                severity="warning" if ignored else None,
            )


def _all_settings(subject: Subject) -> Iterator[Setting]:
    for folder in (unit_files.SYSTEM, unit_files.USER):
        yield from unit_files.settings(subject.tree, folder)


def _problem(subject: Subject, name: str) -> str | None:
    if "%" in name or "$" in name:
        return None  # known on the host alone
    paths = [inside(name)] if name.startswith("/") else [f"{path}/{name}" for path in _SEARCH_PATH]
    files = [node for tree in subject.providers for path in paths if (node := tree.resolve(path))]
    if any(node.executable for node in files):
        return None
    if files:
        return "which nobody may execute"
    if any(host.has_program(path) for path in paths):
        return None
    return "which neither the image nor every host has"


def _better(subject: Subject, name: str) -> str | None:
    """Return advice that names the same program in another folder, if the image has it."""
    last = name.rpartition("/")[2]
    for node in subject.tree:
        if node.executable and node.name == last and node.path != inside(name):
            return f"write /{node.path}"
    return None


@rule(
    "unit-user",
    "error",
    reason="a service whose user does not exist fails with «status=217/USER»",
    fix="ship a line in usr/lib/sysusers.d that makes the user, or use DynamicUser=yes",
)
def users(subject: Subject) -> Iterator[Violation]:
    """Find users and groups that neither the image nor every host has."""
    made_users, made_groups = fragment_files.users(subject)
    dynamic = _dynamic_users(subject)
    for setting in unit_files.settings(subject.tree):
        if setting.key in _USER_KEYS:
            yield from _unknown(setting, "user", made_users | host.USERS | dynamic)
        elif setting.key in _GROUP_KEYS:
            yield from _unknown(setting, "group", made_groups | host.GROUPS | dynamic)


def _dynamic_users(subject: Subject) -> frozenset[str]:
    """Return the names that units with DynamicUser= make themselves."""
    of_unit: dict[str, list[Setting]] = {}
    for setting in unit_files.settings(subject.tree):
        of_unit.setdefault(setting.file.path, []).append(setting)
    return frozenset(
        setting.value
        for group in of_unit.values()
        if any(s.key == "DynamicUser" and s.value in ("yes", "true", "1", "on") for s in group)
        for setting in group
        if setting.key in ("User", "Group")
    )


def _unknown(setting: Setting, kind: str, known: Iterable[str]) -> Iterator[Violation]:
    for name in setting.value.split():
        if not (name.isdecimal() or "%" in name or name in known):
            yield Violation(
                setting.file.path,
                f"has {setting.key}={name}, a {kind} that nothing in the image makes",
            )


@rule(
    "tmpfiles-user",
    "error",
    reason="a line whose user does not exist makes nothing, and systemd-tmpfiles reports failure",
    fix="ship a line in usr/lib/sysusers.d that makes the user",
)
def tmpfiles_users(subject: Subject) -> Iterator[Violation]:
    """Find owners in tmpfiles.d that neither the image nor every host has."""
    made_users, made_groups = fragment_files.users(subject)
    for line in fragment_files.tmpfiles(subject):
        if not _own(subject, line.file):
            continue
        for name, known in (
            (line.user, made_users | host.USERS),
            (line.group, made_groups | host.GROUPS),
        ):
            plain = name.lstrip(":")
            if not (plain == "-" or plain.isdecimal() or "%" in plain or plain in known):
                yield Violation(
                    line.file.path, f"gives {line.path} to {plain}, whom nothing in the image makes"
                )


def _own(subject: Subject, node: Node) -> bool:
    return subject.tree.get(node.path) is node
