"""Image file names: the extension's name and the architecture in them.

A host takes `docker.raw` for `docker`. What is published is called NAME-VERSION-ARCH.raw, or
NAME_VERSION_ARCH.raw for systemd.v(7), and is installed as, or linked from, NAME.raw.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS = """
    alpha arc arc-be arm arm-be arm64 arm64-be cris ia64 loongarch64 m68k mips mips-le mips64
    mips64-le nios2 parisc parisc64 ppc ppc-le ppc64 ppc64-le riscv32 riscv64 s390 s390x sh sh64
    sparc sparc64 tilegx x86 x86-64
"""  # ConditionArchitecture= in systemd.unit(5)
ARCHITECTURES = frozenset(_WORDS.split())

_VERSION = re.compile(r"v?\d")
_SUFFIX = ".raw"


def stem(file_name: str) -> str:
    """Return a file's or folder's name less `.raw`."""
    return file_name.removesuffix(_SUFFIX)


def candidates(file_name: str) -> tuple[str, ...]:
    """Return the names that a host may give to an image file, the most literal first."""
    return (stem(file_name), *_shorter(stem(file_name)))


def _shorter(name: str) -> Iterator[str]:
    for separator in reversed([match.start() for match in re.finditer("[-_]", name)]):
        rest = name[separator + 1 :]
        if separator and (_VERSION.match(rest) or rest in ARCHITECTURES):
            yield name[:separator]


def architecture(file_name: str) -> str | None:
    """Return the architecture at the end of a file's name, in systemd's words; None without one."""
    ends = (word for word in ARCHITECTURES if stem(file_name).endswith((f"-{word}", f"_{word}")))
    return max(ends, key=len, default=None)
