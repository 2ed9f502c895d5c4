"""Mistakes in one-line grammars: versions, conditions, placeholders, paths."""

from __future__ import annotations

from bakery.errors import BakeryError


class GrammarError(BakeryError, ValueError):
    """A text does not follow its grammar.

    Attributes:
        span: the characters that are wrong, as first and behind the last; None for all of them.

    """

    def __init__(
        self, message: str, *, fix: str | None = None, span: tuple[int, int] | None = None
    ) -> None:
        super().__init__(message, fix=fix)
        self.span = span
