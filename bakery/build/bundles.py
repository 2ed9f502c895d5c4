"""Packages that one image is made of: dozens of tasks, which are shown as one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.build.steps import fetch
from bakery.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakery.display import Display, Row
    from bakery.progress import Progress
    from bakery.recipe.plan import Image


@dataclass
class Bundle:
    """The packages of an image that a run fetches.

    Attributes:
        image: its name.
        size: their bytes together; None where nobody knows.
        left: how many tasks are not over.
        fetched: how many have brought a package.

    """

    image: str
    size: int | None = 0
    left: int = 0
    fetched: int = 0
    row: Row | None = None

    @property
    def name(self) -> str:
        """What was done, once it is."""
        return f"fetch:{self.image}, {self.fetched} packages"

    def begin(self, display: Display) -> Row:
        """Return the row of all its tasks."""
        if self.row is None:
            self.row = display.begin(f"fetch:{self.image}")
            self.row.total = self.size
            self._count()
        return self.row

    def end(self, display: Display, *, good: bool) -> Row | None:
        """Take note that a task is over; return the row if it was the last."""
        self.left -= 1
        self.fetched += good
        if self.row is None:
            return None
        self._count()
        if self.left:
            return None
        display.end(self.row)
        return self.row if self.fetched else None

    def progress(self, row: Row) -> Progress:
        """Return where one of its tasks reports its progress."""
        return _Share(row)

    def _count(self) -> None:
        if self.row is not None:
            self.row.counted = f"{self.fetched} of {self.fetched + self.left} packages"


class _Share(Silent):
    """One package's share of the row."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._done = 0

    def advance(self, count: int) -> None:
        """Show more bytes."""
        self._done += count
        self._row.advance(count)

    def restart(self, done: int = 0) -> None:
        """Show the bytes that are there already."""
        self._row.restart(self._row.done + done - self._done)
        self._done = done


def bundles(
    images: Iterable[Image], tasks: Iterable[str]
) -> tuple[dict[str, int | None], dict[str, Bundle]]:
    """Return the sizes of what tasks fetch, and the bundle of each that belongs to one.

    A package that several images need counts for the first.
    """
    fetched = {task for task in tasks if task.startswith(f"{fetch.KIND}:")}
    sizes: dict[str, int | None] = {}
    owners: dict[str, str] = {}
    for image in images if fetched else ():
        for asset in image.contents.assets:
            task = f"{fetch.KIND}:{fetch.name(asset)}"
            if task in fetched:
                sizes[task] = asset.size
                if asset.bundle is not None:
                    owners.setdefault(task, image.id)
    several = {owner for owner, count in Counter(owners.values()).items() if count > 1}
    by_owner = {owner: Bundle(owner) for owner in several}
    found = {task: by_owner[owner] for task, owner in owners.items() if owner in several}
    for task, bundle in found.items():
        bundle.left += 1
        size = sizes[task]
        bundle.size = None if None in (bundle.size, size) else (bundle.size or 0) + (size or 0)
    return sizes, found
