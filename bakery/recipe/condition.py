"""Conditions on versions: `>= v0.14.0`, `>= 1.2, < 2`."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bakery.recipe.version import Version
from bakery.yaml.grammar import GrammarError

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPARISONS: dict[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_CLAUSE = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*(\S+)\s*")
_GRAMMAR = rf"\s*(?:>=|<=|==|!=|>|<)\s*{Version.GRAMMAR}\s*"


@dataclass(frozen=True)
class Condition:
    """What a version must satisfy: comparisons separated by commas, all of which must hold.

    `">= v1.4, < v2"`, in quotes. They are made with `>=`, `<=`, `==`, `!=`, `>` and `<`.
    """

    PATTERN: ClassVar[str] = f"^{_GRAMMAR}(?:,{_GRAMMAR})*$"

    text: str
    clauses: tuple[tuple[str, Version], ...]

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Return the condition that `text` spells.

        Raises:
            GrammarError: it is not a condition.

        """
        clauses = []
        start = 0
        for part in text.split(","):
            match = _CLAUSE.fullmatch(part)
            if match is None:
                raise _no_comparison(part, start)
            try:
                bound = Version.parse(match[2])
            except GrammarError as error:
                span = (start + match.start(2), start + match.end(2))
                raise GrammarError(error.what, fix=error.fix, span=span) from None
            clauses.append((match[1], bound))
            start += len(part) + 1
        return cls(text, tuple(clauses))

    def holds(self, version: Version) -> bool:
        """Return whether `version` satisfies every comparison."""
        return all(_COMPARISONS[symbol](version, bound) for symbol, bound in self.clauses)

    def __str__(self) -> str:
        return ", ".join(f"{symbol} {bound}" for symbol, bound in self.clauses)

    @staticmethod
    def is_written(text: str) -> bool:
        """Return whether `text` is meant as a condition rather than as a version."""
        return text.lstrip().startswith((">", "<", "=", "!"))


def _no_comparison(part: str, start: int) -> GrammarError:
    word = part.strip()
    begin = start + part.find(word)
    return GrammarError(
        f'"{word}" is not a comparison' if word else "a comparison is missing here",
        fix='write ">= 1.2"; several are separated by commas: ">= 1.2, < 2"',
        span=(begin, begin + len(word)),
    )
