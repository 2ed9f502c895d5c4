"""Questions to a booted system, and what its answers mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bakery.boot.guest import Answer


@dataclass(frozen=True)
class Verdict:
    """What an answer means.

    Attributes:
        holds: whether it is as it must be.
        detail: what is wrong.
        final: whether it makes no sense to ask again.
        pending: seconds until only time can tell whether it holds; nothing is wrong so far.

    """

    holds: bool
    detail: str = ""
    final: bool = False
    pending: float = 0


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One thing that must hold.

    Attributes:
        title: what must hold, in words.
        script: what is run in the guest.
        judge: what its answer means.
        timeout: seconds until it must hold; 0 to ask once.
        unit: the unit it is about, whose log explains a failure.
        once: whether the script must not be run a second time.
        quiet: whether it is worth no line where it holds.

    """

    title: str
    script: str
    judge: Callable[[Answer], Verdict]
    timeout: int
    unit: str | None = None
    once: bool = False
    quiet: bool = False
