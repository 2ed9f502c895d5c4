"""Units of an image: the drop-ins that start them, and paths in them that have moved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bakery.recipe.plan import StartedUnit


FOLDER = "usr/lib/systemd/system/"

_SUFFIXES = (".service", ".socket", ".timer", ".path", ".target", ".mount", ".automount", ".slice")
_SBIN = re.compile(rb"/(?:usr/)?sbin/([\w.+-]+)")


def are_shipped(paths: Iterable[str]) -> bool:
    """Return whether the paths include units or drop-ins for the system manager."""
    return any(
        path.startswith(FOLDER) and (path.endswith(_SUFFIXES) or ".d/" in path) for path in paths
    )


def drop_ins(name: str, start: Iterable[StartedUnit]) -> Iterator[tuple[str, str]]:
    """Yield the path and text of the drop-ins by which targets start an image's units.

    `Upholds=` (systemd.unit(5)) and not a `.wants` link: when a link is first read, the unit it
    names may not be merged yet, and then it is dropped silently.
    """
    by_target: dict[str, list[str]] = {}
    for unit in start:
        by_target.setdefault(unit.target, []).append(unit.name)
    for target, units in sorted(by_target.items()):
        yield f"{FOLDER}{target}.d/10-{name}.conf", f"[Unit]\nUpholds={' '.join(units)}\n"


def with_folded_programs(unit: bytes, programs: frozenset[str]) -> bytes:
    """Return a unit's text with /usr/bin for /usr/sbin in the paths of programs that moved there.

    Args:
        unit: the text.
        programs: names of programs in the image's usr/bin.

    """

    def fold(match: re.Match[bytes]) -> bytes:
        return b"/usr/bin/" + match[1] if match[1].decode() in programs else match[0]

    return _SBIN.sub(fold, unit)
