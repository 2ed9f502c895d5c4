"""Image file names: the extension's name and the architecture in them.

A host takes `docker.raw` for `docker`. What is published is called NAME-VERSION-ARCH.raw,
NAME-VERSION-ARCH.verity.raw, or NAME_VERSION_ARCH.raw for systemd.v(7), and is installed as, or
linked from, NAME.raw.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.arch import SYSTEMD

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERSION = re.compile(r"v?\d")
_SUFFIX = ".raw"
_VERITY = ".verity"


def stem(file_name: str) -> str:
    """Return a file's or folder's name less `.raw`."""
    return file_name.removesuffix(_SUFFIX)


def candidates(file_name: str) -> tuple[str, ...]:
    """Return the names that a host may give to an image file, the most literal first."""
    literal = stem(file_name)
    name = literal.removesuffix(_VERITY)
    return tuple(dict.fromkeys((literal, name, *_shorter(name))))


def _shorter(name: str) -> Iterator[str]:
    for separator in reversed([match.start() for match in re.finditer("[-_]", name)]):
        rest = name[separator + 1 :]
        if separator and (_VERSION.match(rest) or rest in SYSTEMD):
            yield name[:separator]


def architecture(file_name: str) -> str | None:
    """Return the architecture at the end of a file's name, in systemd's words; None without one."""
    name = stem(file_name).removesuffix(_VERITY)
    ends = (word for word in SYSTEMD if name.endswith((f"-{word}", f"_{word}")))
    return max(ends, key=len, default=None)
