"""Channels that are brought up to what is published, without a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.publish import channel_steps
from bakery.publish.channel import Channels
from bakery.publish.channel_steps import Scratch
from bakery.publish.published import Catalogue
from bakery.publish.reconcile import settle
from bakery.publish.signed_index import Sealer
from bakery.release.signing import SigningKey
from bakery.store.folder import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bakery.http.retry import RetryPolicy
    from bakery.publish.model import Posted, Publisher
    from bakery.publish.reconcile import Step


def follow(
    name: str, publisher: Publisher, folder: Path, retry: RetryPolicy, *, minors: bool = False
) -> None:
    """Bring the channels of a recipe, and the index, up to date, by way of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Scratch(folder)
    catalogue = Catalogue(publisher, Store(folder / "store"))
    sealer = Sealer(publisher, scratch, SigningKey.configured())
    channels = Channels(catalogue, scratch, sealer, keep=2)

    def plan(found: Sequence[Posted]) -> list[Step]:
        wishes = [*channels.of(name, found, minors=minors), *channels.index(found)]
        return [step for wish in wishes for step in channel_steps.steps(wish, found)]

    settle(name, publisher, retry, look=publisher.releases, plan=plan)
