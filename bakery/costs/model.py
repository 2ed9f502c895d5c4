"""What a catalogue costs, as values that `bakery stats --json` prints."""

from __future__ import annotations

import msgspec


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where assets come from.

    Attributes:
        name: a host, or the index that is asked, such as `debian`.
        assets: how many the locks name, each once.
        bytes: of these together, which a cold build fetches.
        unknown: of how many nobody knows the size.
        fetched: bytes that have been fetched here, by the records.

    """

    name: str
    assets: int
    bytes: int
    unknown: int
    fetched: int


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes in a place.

    Attributes:
        what: what they are.
        files: how many files.
        bytes: of these.
        where: the folder.

    """

    what: str
    files: int
    bytes: int
    where: str


class StepKind(msgspec.Struct, frozen=True, kw_only=True):
    """How long steps of a kind took, by the records.

    Attributes:
        kind: such as `squash`.
        steps: how many are on record.
        seconds: of all together.
        longest: the name of the one that took longest.
        longest_seconds: how long.

    """

    kind: str
    steps: int
    seconds: float
    longest: str
    longest_seconds: float


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe's size, from its oldest locked version to its newest, all architectures together.

    Attributes:
        name: the recipe.
        versions: how many the lock has.
        of: what is counted: `images`, where all of them were built here; else `assets`.
        oldest, newest: the bytes of these versions; None where nobody knows them.
        bytes: of all versions together whose size is known.
        unknown: how many versions' is not.

    """

    name: str
    versions: int
    of: str
    oldest: int | None
    newest: int | None
    bytes: int
    unknown: int

    @property
    def factor(self) -> float | None:
        """How many times the oldest version the newest one is; None where that can't be told."""
        if self.versions == 1 or not self.oldest or self.newest is None:
            return None
        return self.newest / self.oldest


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of GitHub's API that a workflow makes.

    Attributes:
        workflow: which one, and which of its jobs.
        calls: how many a day, at least.
        why: what they ask for.

    """

    workflow: str
    calls: int
    why: str


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What a catalogue costs.

    Attributes:
        recipes, releases, images: how many there are, as the locks have them.
        fetched: by origin, the largest first.
        stored: by place.
        published: what the publisher has; None where it was not asked.
        steps: by kind, the longest first.
        growth: by recipe, the largest first.
        calls: by workflow.
        hints: what to do about it.

    """

    recipes: int
    releases: int
    images: int
    fetched: tuple[Origin, ...]
    stored: tuple[Stored, ...]
    published: tuple[Stored, ...] | None
    steps: tuple[StepKind, ...]
    growth: tuple[Growth, ...]
    calls: tuple[Calls, ...]
    hints: tuple[str, ...]
