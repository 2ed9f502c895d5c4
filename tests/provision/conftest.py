"""A publisher's folder with a release of caddy, one of docker, and docker's signed channel."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, get_args

import pytest
from harness.mirror import Mirror
from harness.released import channel, release

from bakery import settings as settings_module
from bakery.arch import Arch
from bakery.http.retry import RetryPolicy
from bakery.provision import install
from bakery.registry.files import Files
from bakery.release import reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.openpgp import Person

    from bakery.settings import Settings


def images(text: str) -> dict[Arch, bytes]:
    """Return files that are no images."""
    return {arch: f"{text} {arch}".encode() * 9 + bytes(range(256)) for arch in get_args(Arch)}


@pytest.fixture(scope="module")
def person(person: Person) -> Person:
    """The publisher, who has a key."""
    person.key("Publisher")
    return person


@pytest.fixture
def published(tmp_path: Path, person: Person) -> Path:
    """The folder that is published."""
    root = tmp_path / "published"
    release(root, "caddy", "2.11.7", images("caddy 2.11.7"))
    built_in = ("docker-flatcar", "containerd-flatcar")
    versions = ("20.10.9", "20.10.13")
    for version in versions:
        release(root, "docker", version, images(version), replaces=built_in)
    channel(root, "docker", "https://example.com/releases", *versions, signer=person)
    return root


@pytest.fixture
def server(published: Path) -> Iterator[Mirror]:
    """The server that is published with."""
    with Mirror(published) as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, server: Mirror) -> Settings:
    """Settings of a project that publishes there."""
    environment = {"BAKERY_PUBLISH_URL": server.url, "HOME": str(tmp_path)}
    return settings_module.load(tmp_path, environment)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited between requests; in tests, that takes no time."""
    waits: list[float] = []
    client = partial(Files, retry=RetryPolicy(sleep=waits.append))
    monkeypatch.setattr(reader, "Files", client)
    monkeypatch.setattr(install, "Files", client)
    return waits
