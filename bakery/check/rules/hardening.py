"""Rules about binaries: what their compiler and linker did against attacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.check.rule import path_rule
from bakery.check.tree import binaries

if TYPE_CHECKING:
    from collections.abc import Callable

    from bakery.binary.elf import Elf
    from bakery.check.rule import Rule
    from bakery.check.tree import Node


def _rule(name: str, *, where: Callable[[Elf], bool], says: str, reason: str, fix: str) -> Rule:
    def is_broken(node: Node) -> bool:
        return any(where(elf) for _, elf in binaries([node]))

    return path_rule(name, "warning", where=is_broken, says=says, reason=reason, fix=fix)


def _hardenable(elf: Elf) -> bool:
    """Return whether a binary is dynamic; Go's are memory-safe, by default no PIE nor RELRO."""
    return elf.dynamic and not elf.go


execstack = _rule(
    "elf-execstack",
    where=lambda elf: elf.execstack,
    says="asks for an executable stack",
    reason="an executable stack makes overflows exploitable, and hardened hosts refuse it",
    fix="ask upstream to link with -z noexecstack",
)
textrel = _rule(
    "elf-textrel",
    where=lambda elf: elf.textrel,
    says="has text relocations",
    reason=(
        "code that is changed while it is loaded is writable for a while, and SELinux refuses it"
    ),
    fix="ask upstream to compile with -fPIC",
)
relro = _rule(
    "elf-relro",
    where=lambda elf: _hardenable(elf) and not elf.relro,
    says="is a dynamic binary without RELRO",
    reason="without RELRO an overflow can redirect the calls of a dynamic binary",
    fix="ask upstream to link with -z relro -z now",
)
pie = _rule(
    "elf-pie",
    where=lambda elf: _hardenable(elf) and elf.kind == "executable" and not elf.pie,
    says="is a dynamic program, but not position-independent",
    reason="a program at a fixed address is easier to exploit",
    fix="ask upstream to compile with -fPIE and link with -pie",
)
