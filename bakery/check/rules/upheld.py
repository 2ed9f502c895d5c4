"""Rules about units that targets uphold: they are there, and systemd starts them once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.check import host, unit_files
from bakery.check.rule import Violation, rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.check.subject import Subject
    from bakery.check.unit_files import Setting, Unit

_CONDITION = re.compile(r"(Condition|Assert)[A-Z]\w*")
_OF_A_PATH = re.compile(r"(Condition|Assert)(Path|File|Directory)\w+")


@rule(
    "start-unit",
    "error",
    reason="a unit that does not exist can't be started, and systemd tries again and again",
    fix="correct the name in `start:`, or ship the unit",
)
def start(subject: Subject) -> Iterator[Violation]:
    """Find units to start that do not exist."""
    for name, path in _upheld(subject).items():
        provided = any(unit_files.provides(tree, name) for tree in subject.providers)
        if not (provided or host.has_unit(name)):
            yield Violation(path, f"is to start {name}, which is not there")


@rule(
    "start-repeated",
    "error",
    reason=(
        "Upholds= (`start:` in a recipe) starts a unit again whenever it is not active: one that"
        " has done its work or may not run is tried for ever, and fills the journal"
    ),
    fix="add RemainAfterExit=yes, or start it once: by a unit that stays, or by a timer",
)
def repeated(subject: Subject) -> Iterator[Violation]:
    """Find upheld units that do not stay active: oneshots, and where a condition does not hold."""
    named = {unit_files.template(name): name for name in _upheld(subject)}
    for unit in unit_files.with_drop_ins(subject.tree):
        name = named.get(unit.name)
        if name is None:
            continue
        if unit.file and _ends(unit):
            yield Violation(
                unit.file.path,
                f"is to be started, and is not active once it has done its work: {name} has"
                " Type=oneshot without RemainAfterExit=yes",
            )
        elif condition := _open_condition(subject, unit):
            yield Violation(
                condition.file.path,
                f"has {condition.key}={condition.value}: where that does not hold, {name} is tried"
                " again and again",
                fix=f"start a oneshot in its place that has RemainAfterExit=yes and Wants={name},"
                " or a .path unit that waits for what must be there",
                severity="warning",
            )


def _upheld(subject: Subject) -> Mapping[str, str]:
    """Return the units that are to be started, and for each the path that says so."""
    started = dict.fromkeys(subject.context.start, unit_files.SYSTEM)
    for unit in unit_files.with_drop_ins(subject.tree):
        for setting in unit.values("Upholds"):
            started |= dict.fromkeys(setting.value.split(), setting.file.path)
    return started


def _ends(unit: Unit) -> bool:
    kind, remains = unit.last("Type"), unit.last("RemainAfterExit")
    stays = remains is not None and unit_files.is_true(remains.value)
    return kind is not None and kind.value == "oneshot" and not stays


def _open_condition(subject: Subject, unit: Unit) -> Setting | None:
    """Return the first condition of a unit that not every host with the image fulfils."""
    conditions: list[Setting] = []
    for setting in unit.settings:
        if _CONDITION.fullmatch(setting.key):
            conditions.append(setting)
            if not setting.value:
                conditions.clear()  # one that is empty takes back all of them
    return next((each for each in conditions if not _holds(subject, each)), None)


def _holds(subject: Subject, condition: Setting) -> bool:
    path = condition.value
    of_path = _OF_A_PATH.fullmatch(condition.key) and path.startswith("/") and "%" not in path
    return bool(of_path) and subject.exists(subject.roots[0], path)
