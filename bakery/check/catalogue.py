"""The catalogue of all rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.check.rule import Rule
from bakery.check.rules import (
    accounts,
    binaries,
    conflicts,
    hardening,
    links,
    metadata,
    paths,
    readback,
    recipe,
    release_file,
    services,
    setup,
    udev,
    units,
    verified,
)

if TYPE_CHECKING:
    from types import ModuleType

unused_waiver = Rule(
    id="waiver-unused",
    severity="warning",
    reason="a waiver that nothing needs hides the next mistake at its path",
    fix="remove it from `allow:`",
)

_MODULES = (
    release_file,
    paths,
    metadata,
    links,
    binaries,
    hardening,
    units,
    services,
    accounts,
    setup,
    udev,
    verified,
    readback,
    recipe,
    conflicts,
)


def _rules(module: ModuleType) -> tuple[Rule, ...]:
    return tuple(value for value in vars(module).values() if isinstance(value, Rule))


RULES = (*(rule for module in _MODULES for rule in _rules(module)), unused_waiver)
