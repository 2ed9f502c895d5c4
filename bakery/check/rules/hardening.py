"""Rules about binaries: what their compiler and linker did against attacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.check.rule import Violation, rule
from bakery.check.tree import binaries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.binary.elf import Elf
    from bakery.check.subject import Subject
    from bakery.check.tree import Node


def _hardenable(subject: Subject) -> Iterator[tuple[Node, Elf]]:
    """Yield dynamic binaries; Go's are memory-safe, and by default neither PIE nor RELRO."""
    for node, elf in binaries(subject.tree):
        if elf.dynamic and not elf.go:
            yield node, elf


@rule(
    "elf-execstack",
    "warning",
    reason="an executable stack makes overflows exploitable, and hardened hosts refuse it",
    fix="ask upstream to link with -z noexecstack",
)
def execstack(subject: Subject) -> Iterator[Violation]:
    """Find binaries with an executable stack."""
    yield from (
        Violation(n.path, "asks for an executable stack")
        for n, elf in binaries(subject.tree)
        if elf.execstack
    )


@rule(
    "elf-textrel",
    "warning",
    reason=(
        "code that is changed while it is loaded is writable for a while, and SELinux refuses it"
    ),
    fix="ask upstream to compile with -fPIC",
)
def textrel(subject: Subject) -> Iterator[Violation]:
    """Find binaries with text relocations."""
    yield from (
        Violation(n.path, "has text relocations")
        for n, elf in binaries(subject.tree)
        if elf.textrel
    )


@rule(
    "elf-relro",
    "warning",
    reason="without RELRO an overflow can redirect the calls of a dynamic binary",
    fix="ask upstream to link with -z relro -z now",
)
def relro(subject: Subject) -> Iterator[Violation]:
    """Find dynamic binaries without RELRO; a static one has little to protect."""
    for node, elf in _hardenable(subject):
        if not elf.relro:
            yield Violation(node.path, "is a dynamic binary without RELRO")


@rule(
    "elf-pie",
    "warning",
    reason="a program at a fixed address is easier to exploit",
    fix="ask upstream to compile with -fPIE and link with -pie",
)
def pie(subject: Subject) -> Iterator[Violation]:
    """Find dynamic programs at a fixed address."""
    for node, elf in _hardenable(subject):
        if elf.kind == "executable" and not elf.pie:
            yield Violation(node.path, "is a dynamic program, but not position-independent")
