"""An API in this process, and a client that waits for nobody."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from harness.service import Service

from bakery import settings
from bakery.http.client import Client
from bakery.http.retry import RetryPolicy
from bakery.upstream.api import Api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Clients:
    """Makes clients that share a store, as runs on one machine do, and notes how long they wait."""

    def __init__(self, folder: Path, service: Service) -> None:
        self.waits: list[float] = []
        self._service = service
        self._settings = settings.load(folder, {"BAKERY_STORE": str(folder / "store")})

    def api(self, *, mirrored: bool = False, **environment: str) -> Api:
        chosen = self._settings
        if mirrored:
            chosen = dataclasses.replace(chosen, mirror=self._service.url)
        else:
            environment = {"GITHUB_API_URL": self._service.url, **environment}
        client = Client(retry=RetryPolicy(tries=3, sleep=self.waits.append, jitter=0))
        return Api(chosen, environment=environment, client=client)


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        yield service


@pytest.fixture
def clients(tmp_path: Path, service: Service) -> Clients:
    return Clients(tmp_path, service)
