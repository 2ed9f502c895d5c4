"""Versions as upstreams tag them, and the order they mean."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import ClassVar

from bakery.yaml.grammar import GrammarError

_NUMBERS = r"[0-9]+(?:\.[0-9]+)*"
_SUFFIX = r"[-._]?[A-Za-z][0-9A-Za-z.-]*|-[0-9A-Za-z.-]+"
_BUILD = r"[0-9A-Za-z.-]+"
_VERSION = re.compile(
    rf"(?P<prefix>[vV]?)(?P<numbers>{_NUMBERS})(?P<suffix>{_SUFFIX})?(?:\+(?P<build>{_BUILD}))?"
)
_WORDS = re.compile(r"[0-9]+|[A-Za-z]+")
# Of those that name one stage with several words: PEP 440, Maven's ComparableVersion, semver.
_STAGES = {"a": "alpha", "b": "beta", "c": "rc", "cr": "rc", "m": "milestone", "dev": ""}
_PREVIEW = re.compile(
    r"(?<![a-z])(?:rc|cr|pre|preview|prerelease|dev|devel|develop|development|next|canary|edge|"
    r"insiders?|exp|experimental|unstable|ea|eap|early|tp|wip|poc|trunk|test|testing|draft|daily|"
    r"weekly|candidate|main|master|tip|head|rolling|ci|devnet|testnet)(?![a-z])|alpha|beta|nightly|snapshot|milestone|"
    r"^[-._]?[abc]\.?[0-9]|^[-._]m[0-9]|"  # 1.0a1, 1.0-b.2, 5.0.0-M1
    r"-[0-9]+-g[0-9a-f]{6,}$|[-.][0-9]{14}-[0-9a-f]{12}$",  # `git describe`, Go's pseudo-versions
)
# 1.1.1w, 1.0-p2, 12.4-1 (a revision), 1.0.post1, 24.8.1.1-lts: these follow what they are added to.
_AFTER = re.compile(
    r"(?:[a-z]|z[a-z])(?![0-9a-z])|[-._]?(?:[0-9]|"
    r"(?:post|patch|pl|p|sp|hotfix|hf|bugfix|fix|revision|rev|r|update|upd|u|build|ga|final|release|"
    r"rel|stable|lts|security|sec|ls)(?![a-z]))"
)
_BEFORE = -2
_LONGEST = 128


@functools.total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A version tag: `v1.32.2+k3s1`, `20.10.13`, `1.0-rc.2`, `2024.11.02`.

    Numbers compare as numbers and missing ones count as 0. A pre-release comes before its release;
    what follows it (`.post1`, `-1`, `-hotfix.1`, a letter as in 1.1.1w) behind it; another edition
    (`-ce`, `-gke.100`) between the two. A build suffix (`+k3s1`) breaks ties. Neither a leading `v`
    nor case has a meaning in the order.

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
            GrammarError: it is not a version.

        """
        match = _VERSION.fullmatch(tag) if len(tag) <= _LONGEST else None
        if match is None:
            raise GrammarError(
                f'"{tag[:_LONGEST]}" is not a version', fix="versions are 1.2.3 or v1.2.3+k3s1"
            )
        numbers = tuple(match["numbers"].split("."))
        return cls(tag, match["prefix"], numbers, match["suffix"] or "", match["build"] or "")

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
        """Whether the tag itself names something before a release; upstream may know better."""
        return self._rank == _BEFORE

    @property
    def _rank(self) -> int:
        suffix = self.suffix.lower()
        if _PREVIEW.search(suffix):
            return _BEFORE
        return (1 if _AFTER.match(suffix) else -1) if suffix else 0

    @functools.cached_property
    def _order(self) -> tuple[object, ...]:
        numbers = [int(number) for number in self.numbers]
        while numbers and numbers[-1] == 0:
            numbers.pop()
        suffix = _words(self.suffix, numbers_first=self.is_prerelease)
        return numbers, self._rank, suffix, _words(self.build)

    def __lt__(self, other: Version) -> bool:
        return self._order < other._order

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._order == other._order

    def __hash__(self) -> int:
        return hash(str(self._order))

    def __str__(self) -> str:
        return self.tag


def _words(text: str, *, numbers_first: bool = False) -> list[tuple[bool, int, str]]:
    """Return what compares: numbers before words, as in semver's pre-releases, or behind them."""
    return [
        (not numbers_first, int(word), "")
        if word.isdigit()
        else (numbers_first, 0, _STAGES.get(word, word))
        for word in _WORDS.findall(text.lower())
    ]
