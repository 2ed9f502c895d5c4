"""Help with mistyped names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name that was probably meant, or None when nothing is near."""
    import difflib  # noqa: PLC0415  only a mistake pays for it

    return next(iter(difflib.get_close_matches(name, list(valid), n=1, cutoff=0.6)), None)
