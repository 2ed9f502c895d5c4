"""Rules about unit files: whether systemd reads them, and what makes it start units."""

from __future__ import annotations

import re
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from bakery.check import unit_files
from bakery.check.rule import Rule, Violation, rule
from bakery.check.scan import PARSED
from bakery.check.unit_files import COMMANDS
from bakery.recipe.template import VERSION_PLACEHOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.subject import Subject
    from bakery.check.tree import Tree

_DEPENDENCY = re.compile(rf"{unit_files.SYSTEM}/([^/]+)\.(wants|requires)/([^/]+)")
_PULLS_IN = (
    *("Upholds", "Wants", "Requires", "BindsTo", "OnFailure", "OnSuccess"),
    *("Unit", "Service", "Sockets"),  # of timers and paths, of sockets, of services
)
_REACHED_AT_BOOT = frozenset(
    f"{name}.target"
    for name in ("sysinit", "basic", "multi-user", "sockets", "timers", "paths", "getty", "network")
)
_STARTABLE = (".service", ".socket", ".timer", ".path")
_TRIGGERS = (".socket", ".timer", ".path")
_BUS_SERVICES = "usr/share/dbus-1/system-services"
_BUS_STARTS = re.compile(r"^SystemdService=(\S+)", re.MULTILINE)
_UDEV_STARTS = re.compile(r'SYSTEMD_WANTS\}\s*\+?=\s*"([^"]*)"')
# not ${version} of a shell, nor ATTR{name} of udev
_PLACEHOLDER = re.compile(r"(?<![\w$\]%{])\{([A-Za-z][A-Za-z0-9_-]*)(?:\.bare)?\}(?!\})")
_EVERYWHERE = frozenset({*VERSION_PLACEHOLDERS, "arch"})


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
            fix = f"rename it to {node.name}.conf"
            yield Violation(node.path, "is a drop-in without .conf", fix=fix)


def _dependencies(kind: str, subject: Subject) -> Iterator[Violation]:
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
    """Find what asks for units of the image once, before hosts know them."""
    yield from _dependencies("wants", subject)
    with_drop_ins = [*unit_files.with_drop_ins(subject.tree)]
    upheld = {name for u in with_drop_ins for s in u.values("Upholds") for name in s.value.split()}
    for unit in with_drop_ins:
        if unit.file is not None or unit.name not in _REACHED_AT_BOOT:
            continue
        for setting in unit.values("Wants", "Requires"):
            for name in setting.value.split():
                if unit_files.provides(subject.tree, name) and name not in upheld:
                    yield Violation(
                        setting.file.path,
                        f"has {setting.key}={name} for {unit.name}, which hosts start before the"
                        f" image's {name} is known",
                        fix=f"write Upholds={name}, which systemd heeds at any time",
                    )


requires = Rule(
    id="requires-link",
    severity="error",
    reason="a required unit that does not exist yet, or was unmerged, stops the boot",
    fix="use a drop-in with Upholds=",
    look=partial(_dependencies, "requires"),
)


@rule(
    "install-section",
    "error",
    reason=(
        "what `systemctl enable` makes of it are links to a unit that does not exist yet when a"
        " host boots: WantedBy= then starts nothing, and RequiredBy= stops the boot"
    ),
    fix=(
        "remove the section (`edit:` in a recipe), and start the unit with a drop-in that has"
        " Upholds= (`start:` in a recipe)"
    ),
)
def install_section(subject: Subject) -> Iterator[Violation]:
    """Find units with an [Install] section."""
    settings: dict[str, dict[str, None]] = {}
    for unit in unit_files.with_drop_ins(subject.tree):
        for each in unit.settings:
            if each.section == "Install" and each.value:
                settings.setdefault(each.file.path, {})[f"{each.key}={each.value}"] = None
    for path, texts in settings.items():
        node = subject.tree.get(path)
        yield Violation(
            path,
            f"has an [Install] section: {', '.join(texts)}",
            line=((node and node.text) or "").partition("[Install]")[0].count("\n") + 1,
        )


@rule(
    "unit-not-started",
    "warning",
    reason="a unit that no other one pulls in never runs, and links to it are dropped at boot",
    fix="add it to `start:`, start it from another unit, or leave it out with `drop:`",
)
def not_started(subject: Subject) -> Iterator[Violation]:
    """Find services, sockets, timers and paths that nothing starts; templates are people's."""
    started = set(subject.context.start)
    for tree in subject.providers:
        started.update(_started_by_units(tree), _started_by_others(tree))
    for node in unit_files.units(subject.tree):
        if node.type == "link" and node.name in started:
            started.add((node.target or "").rpartition("/")[2])  # an alias
    for node in unit_files.units(subject.tree):
        known = started | {unit_files.template(name) for name in started}
        startable = node.type == "file" and node.name.endswith(_STARTABLE)
        if startable and node.name not in known and "@." not in node.name:
            yield Violation(node.path, "is a unit that nothing starts")


def _started_by_units(tree: Tree) -> Iterator[str]:
    for unit in unit_files.with_drop_ins(tree):
        pulled_in = [name for each in unit.values(*_PULLS_IN) for name in each.value.split()]
        yield from pulled_in
        for setting in unit.values(*COMMANDS):
            if unit_files.program(setting.value)[0].endswith("systemctl"):
                yield from (w if "." in w else f"{w}.service" for w in setting.value.split()[1:])
        stem, dot, kind = unit.name.rpartition(".")
        if dot + kind in _TRIGGERS and not unit.values("Unit", "Service"):
            yield f"{stem}.service"
    for node in tree.below(unit_files.SYSTEM):
        if link := _DEPENDENCY.fullmatch(node.path):
            yield link[3]


def _started_by_others(tree: Tree) -> Iterator[str]:
    """Yield what D-Bus and udev start."""
    bus = (_BUS_STARTS.findall(node.text or "") for node in tree.below(_BUS_SERVICES))
    rules = (_UDEV_STARTS.findall(node.text or "") for node in tree.below("usr/lib/udev/rules.d"))
    for names in chain.from_iterable((*bus, *rules)):
        yield from names.split()


@rule(
    "placeholder-left",
    "error",
    reason="systemd takes the braces for themselves: a path or an option with them is wrong",
    fix="expand it: `files: {PATH: {template: true}}` in the recipe; or write the value itself",
)
def placeholder(subject: Subject) -> Iterator[Violation]:
    """Find placeholders of the recipe language that nothing expanded, in files that hosts parse."""
    recipe = subject.context.recipe
    known = _EVERYWHERE | (recipe.recipe.parts.keys() if recipe else set())
    for node in subject.tree:
        if node.text is None or not node.path.startswith(PARSED):
            continue
        for match in dict.fromkeys(m for m in _PLACEHOLDER.finditer(node.text) if m[1] in known):
            yield Violation(
                node.path,
                f"has {match[0]} in it, which nothing expanded",
                fix=f"files: {{{node.path}: {{template: true}}}} in the recipe expands it",
                line=node.text.count("\n", 0, match.start()) + 1,
            )
