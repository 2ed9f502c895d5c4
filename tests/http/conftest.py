"""A server that misbehaves on demand, and a client that waits for nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness.upstream import Upstream

from bakery.http.client import Client
from bakery.http.limits import Limits
from bakery.http.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(waits: list[float]) -> Client:
    return Client(retry=RetryPolicy(tries=3, sleep=waits.append), limits=Limits(stall=30))
