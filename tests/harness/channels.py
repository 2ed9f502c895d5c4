"""Channels that are brought up to what is published, without a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.publish import channel_steps
from bakery.publish.channel import Channels
from bakery.publish.channel_steps import Scratch
from bakery.publish.published import Catalogue
from bakery.publish.reconcile import reconcile
from bakery.publish.signed_index import IndexSigner
from bakery.release.signing import SigningKey
from bakery.store.folder import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bakery.http.retry import RetryPolicy
    from bakery.publish.model import Publisher, RemoteRelease
    from bakery.publish.reconcile import Action


def follow(
    name: str, publisher: Publisher, folder: Path, retry: RetryPolicy, *, minors: bool = False
) -> None:
    """Bring the channels of a recipe, and the index, up to date, by way of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Scratch(folder)
    catalogue = Catalogue(publisher, Store(folder / "store"))
    signer = IndexSigner(publisher, scratch, SigningKey.configured())
    channels = Channels(catalogue, scratch, signer, keep=2)

    def plan(found: Sequence[RemoteRelease]) -> list[Action]:
        desire = [*channels.of(name, found, minors=minors), *channels.index(found)]
        return [step for channel in desire for step in channel_steps.steps(channel, found)]

    reconcile(name, publisher, retry, look=publisher.releases, plan=plan)
