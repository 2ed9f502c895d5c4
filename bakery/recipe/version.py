"""Versions as upstreams tag them, and the order they mean."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

_VERSION = re.compile(
    r"(?P<prefix>[vV]?)(?P<numbers>\d+(?:\.\d+)*)(?P<pre>(?:[-._]?[A-Za-z][0-9A-Za-z.-]*|-[0-9A-Za-z.-]+)?)"
    r"(?:\+(?P<build>[0-9A-Za-z.-]+))?"
)
_WORDS = re.compile(r"\d+|[A-Za-z]+")


@functools.total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A version tag: `v1.32.2+k3s1`, `20.10.13`, `1.0-rc.2`, `2024.11.02`.

    Numbers compare as numbers and missing ones count as 0; a pre-release comes before its release;
    a build suffix (`+k3s1`) breaks ties. A leading `v` has no meaning in the order.

    Attributes:
        tag: the version as upstream writes it.

    """

    tag: str
    prefix: str
    numbers: tuple[int, ...]
    pre: str
    build: str

    @classmethod
    def parse(cls, tag: str) -> Version:
        """Return the version that `tag` spells.

        Raises:
            ValueError: it is not a version.

        """
        found = _VERSION.fullmatch(tag)
        if found is None:
            raise ValueError(f"{tag!r} is not a version, such as 1.2.3 or v1.2.3+k3s1")
        numbers = tuple(int(number) for number in found["numbers"].split("."))
        return cls(tag, found["prefix"], numbers, found["pre"] or "", found["build"] or "")

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
        return self.prefix + ".".join(str(number) for number in self.numbers[:2])

    @property
    def is_prerelease(self) -> bool:
        """Whether the tag names something before a release."""
        return bool(self.pre)

    @functools.cached_property
    def _order(self) -> tuple[object, ...]:
        numbers = list(self.numbers)
        while numbers and numbers[-1] == 0:
            numbers.pop()
        return numbers, not self.pre, _words(self.pre), _words(self.build)

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
