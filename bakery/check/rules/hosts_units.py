"""Rules about units that are the host's own, and that an image takes from it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.check import host, unit_files
from bakery.check.rule import Violation, rule
from bakery.check.rules.paths import OWNED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.check.subject import Subject

_TAKES_DOWN = re.compile(
    r"(Condition|Assert)[A-Z]\w*|Conflicts|BindsTo|Requisite|PartOf|StopPropagatedFrom|Exec\w+|Type"
)


@rule(
    "host-unit",
    "error",
    reason="the host relies on its units: stopped, never started or with another program, it fails",
    fix="leave them alone; whom a service of the image replaces, its README.md says how to disable",
)
def changed(subject: Subject) -> Iterator[Violation]:
    """Find units that are masked, and drop-ins that keep a host's unit from its work."""
    for node in unit_files.units(subject.tree):
        masks = node.type == "link" and node.target == "/dev/null"
        if masks and not OWNED.fullmatch(node.path):
            yield Violation(node.path, f"masks {node.name}: nothing can start it any more")
    for unit in unit_files.with_drop_ins(subject.tree):
        shipped = any(unit_files.provides(tree, unit.name) for tree in subject.providers)
        if unit.file is not None or shipped or not host.has_unit(unit.name):
            continue
        for setting in unit.settings:
            if _TAKES_DOWN.fullmatch(setting.key):
                yield Violation(
                    setting.file.path,
                    f"has {setting.key}={setting.value} for {unit.name}, which is the host's own",
                    severity="warning",
                )
