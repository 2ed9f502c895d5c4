"""Versions as upstreams tag them, and the order they mean."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import ClassVar

from bakery.yaml.grammar import SpellingError

_NUMBERS = r"[0-9]+(?:\.[0-9]+)*"
_SUFFIX = r"[-._]?[A-Za-z][0-9A-Za-z.-]*|-[0-9A-Za-z.-]+"
_BUILD = r"[0-9A-Za-z.-]+"
_VERSION = re.compile(
    rf"(?P<prefix>[vV]?)(?P<numbers>{_NUMBERS})(?P<suffix>{_SUFFIX})?(?:\+(?P<build>{_BUILD}))?"
)
_WORDS = re.compile(r"[0-9]+|[A-Za-z]+")
# 1.0.post1, 1.0-p2, 12.4-1 (a revision), 2024-11-02, v24.8.1.1-lts: none of these is a preview.
_NO_PREVIEW = re.compile(
    r"[-._]?(?:post|patch|p[0-9]|stable|final|lts\b)|-[0-9]+(?![0-9A-Za-z])", re.IGNORECASE
)
_PREVIEW = re.compile(r"alpha|beta|rc|pre|dev|nightly|snapshot", re.IGNORECASE)
_LONGEST = 128


@functools.total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A version tag: `v1.32.2+k3s1`, `20.10.13`, `1.0-rc.2`, `2024.11.02`.

    Numbers compare as numbers and missing ones count as 0; a pre-release comes before its release,
    a post-release (`.post1`) or a revision (`-1`) behind it; a build suffix (`+k3s1`) breaks ties.
    A leading `v` has no meaning in the order.

    Attributes:
        tag: the version as upstream writes it.

    """

    GRAMMAR: ClassVar[str] = rf"[vV]?{_NUMBERS}(?:{_SUFFIX})?(?:\+{_BUILD})?"

    tag: str
    prefix: str
    numbers: tuple[str, ...]
    suffix: str
    build: str

    @classmethod
    def parse(cls, tag: str) -> Version:
        """Return the version that `tag` spells.

        Raises:
            SpellingError: it is not a version.

        """
        found = _VERSION.fullmatch(tag) if len(tag) <= _LONGEST else None
        if found is None:
            raise SpellingError(
                f'"{tag[:_LONGEST]}" is not a version', fix="versions are 1.2.3 or v1.2.3+k3s1"
            )
        numbers = tuple(found["numbers"].split("."))
        return cls(tag, found["prefix"], numbers, found["suffix"] or "", found["build"] or "")

    @classmethod
    def is_written(cls, tag: str) -> bool:
        """Return whether `tag` spells a version."""
        return len(tag) <= _LONGEST and _VERSION.fullmatch(tag) is not None

    def series(self, depth: int) -> tuple[int, ...]:
        """Return the first `depth` numbers: 1 for the major series, 2 for the minor one."""
        return tuple(int(number) for number in (*self.numbers, *"0" * depth)[:depth])

    @property
    def bare(self) -> str:
        """The tag without its leading `v`."""
        return self.tag.removeprefix(self.prefix)

    @property
    def major(self) -> str:
        """The tag's first number, with the leading `v` where the tag has one."""
        return f"{self.prefix}{self.numbers[0]}"

    @property
    def minor(self) -> str:
        """The tag's first two numbers, with the leading `v` where the tag has one."""
        return self.prefix + ".".join(self.numbers[:2])

    @property
    def is_prerelease(self) -> bool:
        """Whether the tag names something before a release."""
        return self._rank < 0

    @property
    def _rank(self) -> int:
        if not self.suffix:
            return 0
        harmless = _NO_PREVIEW.match(self.suffix) and not _PREVIEW.search(self.suffix)
        return 1 if harmless else -1

    @functools.cached_property
    def _order(self) -> tuple[object, ...]:
        numbers = [int(number) for number in self.numbers]
        while numbers and numbers[-1] == 0:
            numbers.pop()
        return numbers, self._rank, _words(self.suffix), _words(self.build)

    def __lt__(self, other: Version) -> bool:
        return self._order < other._order

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._order == other._order

    def __hash__(self) -> int:
        return hash(str(self._order))

    def __str__(self) -> str:
        return self.tag


def _words(text: str) -> list[tuple[int, int, str]]:
    return [(1, int(word), "") if word.isdigit() else (0, 0, word) for word in _WORDS.findall(text)]
