"""A client that waits for nobody."""

from __future__ import annotations

import pytest

from bakery.http.client import Client
from bakery.http.limits import Limits
from bakery.http.retry import RetryPolicy


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(waits: list[float]) -> Client:
    return Client(retry=RetryPolicy(tries=3, sleep=waits.append), limits=Limits(stall=30))
