"""How often and how long to wait for a server that fails."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_AFTER_LIMIT = 120.0
"""Seconds; nobody waits longer for one asset because a server says so."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """When to give up. All times are in seconds.

    Attributes:
        tries: how many failures in a row, without headway between them, end it.
        first: the wait after the first failure; it doubles with each further one.
        longest: the most that doubling leads to.
        connect: how long a connection may take.
        stall: how long a connection may be silent.
        sleep, jitter: the clock and a random number from 0 to 1; tests put their own here.

    """

    tries: int = 6
    first: float = 1.0
    longest: float = 30.0
    connect: float = 15.0
    stall: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def wait(self, failures: int, asked: float | None) -> None:
        """Sleep before the next try, after this many failures; never less than a server asked."""
        backoff = min(self.longest, self.first * 2 ** (failures - 1))
        spread = backoff * (0.5 + self.jitter() / 2)
        self.sleep(max(spread, min(asked or 0.0, RETRY_AFTER_LIMIT)))


def retry_after(value: str | None, *, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3), if it says any.

    Args:
        value: the header: a number of seconds, or a date.
        now: seconds since 1970.

    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None
