"""Channels that are brought up to what is published, without a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.publisher import moving
from bakery.publisher.channel import Channels
from bakery.publisher.moving import Scratch
from bakery.publisher.seal import Sealer
from bakery.publisher.settle import settle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bakery.publisher.model import Posted, Publisher
    from bakery.publisher.settle import Step
    from bakery.store.patience import Patience


def follow(
    name: str, publisher: Publisher, folder: Path, patience: Patience, *, minors: bool = False
) -> None:
    """Bring the channels of a recipe, and the index, up to date, by way of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Scratch(folder)
    channels = Channels(scratch, Sealer(publisher, scratch), keep=2)

    def plan(found: Sequence[Posted]) -> list[Step]:
        wishes = [*channels.of(name, found, minors=minors), *channels.index(found)]
        return [step for wish in wishes for step in moving.steps(wish, found)]

    settle(name, publisher, patience, look=publisher.releases, plan=plan)
