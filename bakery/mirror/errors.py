"""Why something can't be mirrored."""

from __future__ import annotations

from bakery.errors import BakeryError


class MirrorError(BakeryError):
    """Something can't be copied, or must not be."""


class GoneError(MirrorError):
    """A source has no such file."""


def gone(where: str) -> GoneError:
    """Return the error that a file is not where it is said to be."""
    return GoneError(
        "a file is missing at the source",
        where=where,
        fix="run it again, if the source was just changing; else tell who publishes there",
    )


def altered(where: str, listed: str, found: str) -> MirrorError:
    """Return the error that a file has not the digest that is listed."""
    return MirrorError(
        "a file at the source is not the one that its list names",
        where=where,
        why=f"listed: sha256 {listed}\nfound:  {found}",
        fix="nothing of it is copied: compare with another source, and tell who publishes there",
    )
