"""What a recipe's folder holds, beside `files/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE = "recipe.yaml"
LOCK = "lock.json"
CHECK = "check.yaml"
README = "README.md"

_MISNAMED = {
    f"{stem}{suffix}": name
    for name in (FILE, CHECK, LOCK)
    for stem, _ in [name.split(".")]
    for suffix in (".yaml", ".yml", ".json", ".txt")
}


def misnamed(folder: Path) -> tuple[str, str] | None:
    """Return a file that is called nearly like one that a recipe's folder lacks, and that name."""
    there = {path.name for path in folder.iterdir()}
    return next(
        (
            (name, _MISNAMED[name.lower()])
            for name in sorted(there)
            if name.lower() in _MISNAMED and _MISNAMED[name.lower()] not in there
        ),
        None,
    )
