"""The catalogue of all rules."""

from __future__ import annotations

from bakery.check.rule import Rule
from bakery.check.rules import (
    accounts,
    binaries,
    conflicts,
    hardening,
    hosts_units,
    labels,
    links,
    metadata,
    named,
    paths,
    readback,
    recipe,
    release_file,
    services,
    setup,
    units,
    unread,
    upheld,
    verified,
    verity,
)

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
    labels,
    links,
    binaries,
    hardening,
    units,
    upheld,
    hosts_units,
    services,
    named,
    unread,
    accounts,
    setup,
    verified,
    readback,
    verity,
    recipe,
    conflicts,
)


_DEFINED = (value for module in _MODULES for value in vars(module).values())
RULES = (*(value for value in _DEFINED if isinstance(value, Rule)), unused_waiver)
