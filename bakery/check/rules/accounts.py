"""Rules about users and groups: that somebody makes those that units and tmpfiles.d name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.check import fragment_files, host, unit_files
from bakery.check.rule import Violation, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bakery.check.fragment_files import TmpfilesLine
    from bakery.check.subject import Subject
    from bakery.check.tree import Node
    from bakery.check.unit_files import Setting, Unit

_USER_KEYS = ("User", "SocketUser")
_UDEV_OWNER = re.compile(r'\b(OWNER|GROUP)\s*:?=\s*"([^"]+)"')
_BUS_OWNER = re.compile(r"<policy\s+(user|group)\s*=\s*[\"']([^\"']+)[\"']")
_GROUP_KEYS = ("Group", "SocketGroup")


@rule(
    "unit-user",
    "error",
    reason="a service whose user does not exist fails with «status=217/USER»",
    fix=(
        "ship a line in usr/lib/sysusers.d that makes the user (`account:` in a recipe does it), or"
        " use DynamicUser=yes"
    ),
)
def users(subject: Subject) -> Iterator[Violation]:
    """Find users and groups of units that neither the image nor every host has."""
    units = tuple(unit_files.with_drop_ins(subject.tree))
    made_users, made_groups = fragment_files.users(subject)
    dynamic = frozenset().union(*(_dynamic_users(unit) for unit in units))
    violations: list[Violation] = []
    for unit in units:
        named_users = [last for key in _USER_KEYS if (last := unit.last(key))]
        named_groups = [last for key in _GROUP_KEYS if (last := unit.last(key))]
        named_groups += unit.values("SupplementaryGroups")
        violations += _unknown(named_users, "user", made_users | host.USERS | dynamic)
        violations += _unknown(named_groups, "group", made_groups | host.GROUPS | dynamic)
    yield from dict.fromkeys(violations)


def _dynamic_users(unit: Unit) -> frozenset[str]:
    """Return the names that a unit with DynamicUser= makes itself."""
    dynamic = unit.last("DynamicUser")
    if dynamic is None or not unit_files.is_true(dynamic.value):
        return frozenset()
    return frozenset(last.value for key in ("User", "Group") if (last := unit.last(key)))


def _unknown(settings: Iterable[Setting], kind: str, known: frozenset[str]) -> Iterator[Violation]:
    for setting in settings:
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
    fix="ship a line in usr/lib/sysusers.d that makes the user (`account:` in a recipe does it)",
)
def tmpfiles_users(subject: Subject) -> Iterator[Violation]:
    """Find owners in tmpfiles.d that neither the image nor every host has."""
    made_users, made_groups = fragment_files.users(subject)
    for line in fragment_files.own_tmpfiles(subject):
        for name in dict.fromkeys(strangers(line)):
            if name not in made_users | made_groups:
                yield Violation(
                    line.file.path, f"gives {line.path} to {name}, whom nothing in the image makes"
                )


@rule(
    "udev-user",
    "error",
    reason="udev ignores an owner whom it does not know, and the device stays root's",
    fix="ship a line in usr/lib/sysusers.d that makes the group (`account:` in a recipe does it)",
)
def udev_users(subject: Subject) -> Iterator[Violation]:
    """Find owners of devices whom neither the image nor every host has."""
    for node in subject.tree.below("usr/lib/udev/rules.d", ".rules"):
        text = re.sub(r"(?m)^\s*#.*$", "", node.text or "")
        yield from _named(subject, node, _UDEV_OWNER, text)


@rule(
    "dbus-user",
    "warning",
    reason="the bus leaves out a policy for somebody whom it does not know",
    fix="ship a line in usr/lib/sysusers.d that makes the user (`account:` in a recipe does it)",
)
def dbus_users(subject: Subject) -> Iterator[Violation]:
    """Find users and groups in policies of the bus that neither the image nor every host has."""
    for node in subject.tree.below("usr/share/dbus-1/system.d", ".conf"):
        text = re.sub(r"(?s)<!--.*?-->", "", node.text or "")
        yield from _named(subject, node, _BUS_OWNER, text)


def _named(
    subject: Subject, node: Node, pattern: re.Pattern[str], text: str
) -> Iterator[Violation]:
    users, groups = fragment_files.users(subject)
    for key, name in dict.fromkeys((each[1].lower(), each[2]) for each in pattern.finditer(text)):
        known = groups | host.GROUPS if key == "group" else users | host.USERS
        if not (name == "*" or name.isdecimal() or set("$%") & set(name) or name in known):
            kind = "group" if key == "group" else "user"
            yield Violation(node.path, f"names the {kind} {name}, whom nothing in the image makes")


def strangers(line: TmpfilesLine) -> Iterator[str]:
    """Yield the owners of a line that not every host has."""
    for owner, known in ((line.user, host.USERS), (line.group, host.GROUPS)):
        name = owner.lstrip(":")
        if not (name == "-" or name.isdecimal() or "%" in name or name in known):
            yield name
