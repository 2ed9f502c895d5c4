"""A store of one's own, an upstream that misbehaves on demand, and what lies between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness.upstream import DEADLINE

from bakery import settings
from bakery.http.client import Client
from bakery.http.limits import Limits
from bakery.http.retry import RetryPolicy
from bakery.store.download import fetch
from bakery.store.folder import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Progress:
    """Remembers the last total, and counts."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = 0

    def expect(self, total: int | None) -> None:
        self.total = total

    def advance(self, count: int) -> None:
        self.done += count

    def restart(self, done: int = 0) -> None:
        self.done = done

    def tell(self, step: str, *, of: str = "", lasting: bool = False) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def client(slept: list[float]) -> Client:
    return Client(
        retry=RetryPolicy(sleep=slept.append, jitter=0),
        limits=Limits(connect=DEADLINE, stall=DEADLINE),
    )


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., settings.Settings]:
    def configured(**values: str) -> settings.Settings:
        return settings.load(tmp_path, {f"BAKERY_{k.upper()}": v for k, v in values.items()})

    return configured


@pytest.fixture
def get(
    store: Store, configure: Callable[..., settings.Settings], client: Client
) -> Callable[..., Path]:
    def got(asset: Any, chosen: settings.Settings | None = None, **options: Any) -> Path:
        options = {"client": client, **options}
        return fetch(store, asset, settings=chosen or configure(), **options)

    return got


@pytest.fixture
def progress() -> Progress:
    return Progress()
