"""Real registries, and a client that waits for nobody."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from harness.debian import Debian
from harness.registry import Line, crane_registry, docker_registry

from bakery.http.client import Client
from bakery.http.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.registry import Running

FOUND = {"docker": (docker_registry, "bookworm"), "crane": (crane_registry, "forky")}


@pytest.fixture(scope="module", params=FOUND)
def registry(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A registry without lists of referrers, and one that keeps them."""
    if not shutil.which("apt-get"):
        pytest.skip("needs apt-get, to get registries from Debian packages")
    run, suite = FOUND[request.param]
    with run(Debian(suite), tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def line(registry: Running) -> Iterator[Line]:
    with Line(registry) as server:
        yield server


@pytest.fixture
def client() -> Client:
    return Client(retry=RetryPolicy(tries=3, sleep=lambda _: None))
