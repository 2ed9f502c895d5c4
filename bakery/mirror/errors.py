"""Why something can't be mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.errors import BakeryError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMED = 5  # in one message


class MirrorError(BakeryError):
    """Something can't be copied, or must not be."""


class GoneError(MirrorError):
    """A source has no such file."""


class GivenUpError(MirrorError):
    """A source can't be reached any more."""

    def __init__(self, where: str, last: BaseException) -> None:
        super().__init__(
            "this can't be reached any more, and is asked for nothing else",
            where=where,
            why=(last.why or last.what) if isinstance(last, BakeryError) else str(last),
            fix="run it again when it can be: it goes on from here",
        )

    def about(self, tags: Sequence[str]) -> GivenUpError:
        """Return this error with what is not copied for it."""
        more = f" and {len(tags) - _NAMED} more" if len(tags) > _NAMED else ""
        self.why = f"{self.why}\nnot copied: {', '.join(tags[:_NAMED])}{more}"
        return self


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
