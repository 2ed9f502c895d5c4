"""Channels that are brought up to what is published, without a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery import settings
from bakery.publish.session import PublishSession, of_recipe
from bakery.release.keyring import signing_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bakery.http.retry import RetryPolicy
    from bakery.publish.channel import Channels
    from bakery.publish.channel_steps import DesiredChannel
    from bakery.publish.model import Publisher, RemoteRelease


def session(
    publisher: Publisher,
    folder: Path,
    retry: RetryPolicy,
    *,
    channels: Publisher | None = None,
    ring: Path | None = None,
    valid_days: int = 30,
) -> PublishSession:
    """Return who moves channels as settings say, by way of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {
        "BAKERY_STORE": str(folder / "store"),
        "BAKERY_KEEP": "2",
        "BAKERY_SIGNING_KEYRING": str(ring or ""),
        "BAKERY_VALID_DAYS": str(valid_days),
    }
    loaded = settings.load(folder, given)
    key = signing_key(loaded.signing_keyring)
    return PublishSession(loaded, publisher, retry, key, channels)


def follow(
    name: str,
    publisher: Publisher,
    folder: Path,
    retry: RetryPolicy,
    *,
    minors: bool = False,
    ring: Path | None = None,
    valid_days: int = 30,
) -> list[str]:
    """Bring the channels of a recipe, and the index, up to date, by way of a folder."""

    def desired(channels: Channels, seen: Sequence[RemoteRelease]) -> list[DesiredChannel]:
        return [*of_recipe(name, minors=minors)(channels, seen), *channels.index(seen)]

    return session(publisher, folder, retry, ring=ring, valid_days=valid_days).move(name, desired)
