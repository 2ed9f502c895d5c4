"""How a shared cache is asked over HTTP: it is to save time, so nobody waits long for it."""

from __future__ import annotations

from bakery.http.client import Client
from bakery.http.limits import Limits
from bakery.http.retry import RetryPolicy


def hasty() -> Client:
    """Return a client that soon gives up."""
    return Client(
        retry=RetryPolicy(tries=2, first=0.5, longest=2, jitter=0.5),
        limits=Limits(connect=5, stall=15, least_speed=64 << 10, window=15),
    )
