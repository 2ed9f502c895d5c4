"""Paths of files: what they are where /usr is merged, and the folders around them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MERGED = re.compile(r"^(?:(?:usr/)?(?P<bin>s?bin)|(?P<lib>lib(?:32|64|x32)?))/")


def merged(path: str) -> str:
    """Return a path as it is on hosts where /bin, /sbin and /lib are links into /usr."""
    found = _MERGED.match(path)
    if found is None:
        return path
    return f"usr/{'bin' if found['bin'] else found['lib']}/{path[found.end() :]}"


def parents(path: str) -> Iterator[str]:
    """Yield the folders around a path, the innermost first."""
    while path := path.rpartition("/")[0]:
        yield path
