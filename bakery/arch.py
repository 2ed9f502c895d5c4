"""Architectures: systemd's names for them, which are ours, and what others call them."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Literal

Arch = Literal["x86-64", "arm64"]


@dataclass(frozen=True, kw_only=True)
class Names:
    """What an architecture is called elsewhere.

    Attributes:
        kernel: by uname(2), and so by GNU triplets, QEMU and the platform tags of wheels.
        debian: by dpkg, and by Go.
        upstream: in addresses of upstream's files, the most usual name first.
        pattern: the same as a regular expression, with every spelling that has been seen.

    """

    kernel: str
    debian: str
    upstream: tuple[str, ...]
    pattern: str


ARCHITECTURES: dict[Arch, Names] = {
    "x86-64": Names(
        kernel="x86_64",
        debian="amd64",
        upstream=("amd64", "x86_64", "x64"),
        pattern=r"x86[_-]64|amd64|x64|64[_-]?bit|linux64",
    ),
    "arm64": Names(
        kernel="aarch64",
        debian="arm64",
        upstream=("arm64", "aarch64"),
        pattern=r"aarch64|arm64(?:[_-]?v8)?|armv8l?",
    ),
}
"""The architectures that images are built for."""

_SYSTEMD = """
    alpha arc arc-be arm arm-be arm64 arm64-be cris ia64 loongarch64 m68k mips mips-le mips64
    mips64-le nios2 parisc parisc64 ppc ppc-le ppc64 ppc64-le riscv32 riscv64 s390 s390x sh sh64
    sparc sparc64 tilegx x86 x86-64
"""
SYSTEMD = frozenset(_SYSTEMD.split())
"""All that systemd knows: ConditionArchitecture= in systemd.unit(5)."""

_SYNONYMS = {"i386": "x86", "i686": "x86"} | {
    name: arch for arch, names in ARCHITECTURES.items() for name in (names.kernel, names.debian)
}


def systemd_name(name: str) -> str | None:
    """Return systemd's name for what the kernel or Debian calls `name`; None if neither does."""
    return _SYNONYMS.get(name)


def native_arch() -> str:
    """Return this computer's architecture by systemd's name."""
    return systemd_name(platform.machine()) or platform.machine()
