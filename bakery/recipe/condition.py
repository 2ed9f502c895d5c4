"""Conditions on versions: `>= v0.14.0`, `>= 1.2, < 2`."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bakery.recipe.version import Version
from bakery.yaml.grammar import SpellingError

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
    """What a version must satisfy: comparisons separated by commas, all of which must hold."""

    PATTERN: ClassVar[str] = f"^{_GRAMMAR}(?:,{_GRAMMAR})*$"

    text: str
    clauses: tuple[tuple[str, Version], ...]

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Return the condition that `text` spells.

        Raises:
            SpellingError: it is not a condition.

        """
        clauses = []
        start = 0
        for part in text.split(","):
            found = _CLAUSE.fullmatch(part)
            if found is None:
                raise _no_comparison(part, start)
            try:
                bound = Version.parse(found[2])
            except SpellingError as error:
                span = (start + found.start(2), start + found.end(2))
                raise SpellingError(error.what, fix=error.fix, span=span) from None
            clauses.append((found[1], bound))
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


def _no_comparison(part: str, start: int) -> SpellingError:
    word = part.strip()
    begin = start + part.find(word)
    return SpellingError(
        f'"{word}" is not a comparison' if word else "a comparison is missing here",
        fix='write ">= 1.2"; several are separated by commas: ">= 1.2, < 2"',
        span=(begin, begin + len(word)),
    )
