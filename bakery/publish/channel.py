"""Channels: for every recipe, a release that always has its newest versions for hosts to follow.

Everything in a channel comes from what is published, so that a lost or damaged one heals; and the
writer looks again after it has written, so that of two writers none loses the other's versions.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, get_args

from bakery.arch import Arch
from bakery.publish import published
from bakery.publish.channel_steps import Wish
from bakery.recipe.version import Version
from bakery.release import sysupdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.publish.channel_steps import Scratch
    from bakery.publish.model import Posted
    from bakery.publish.published import Edition
    from bakery.publish.signed_index import Sealer

INDEX = "bakery"
"""The release that holds bakery.json; no recipe has this name."""

_ARCHES = "|".join(get_args(Arch))


def channels(name: str, found: Sequence[Posted], *, minors: bool) -> dict[str, list[Edition]]:
    """Return the channels of a recipe, each with all that it could hold, newest first.

    Pre-releases are left out: hosts would take 1.0-rc.2 for newer than 1.0 (systemd's order).

    Args:
        name: the recipe's.
        found: what is at the publisher.
        minors: whether each minor series has a channel too.

    """
    editions = [
        edition
        for edition in published.editions(found)
        if edition.name == name and not Version.parse(edition.version).is_prerelease
    ]
    grouped = {name: editions} if editions else {}
    for edition in editions if minors else ():
        minor = Version.parse(edition.version).minor
        grouped.setdefault(f"{name}-{minor}", []).append(edition)
    return grouped


class Channels:
    """Says what channels and the index must hold."""

    def __init__(self, scratch: Scratch, sealer: Sealer, keep: int) -> None:
        """Use a place for files on their way.

        Args:
            scratch: the place.
            sealer: writes the indexes.
            keep: how many versions a channel holds.

        """
        self._keep = keep
        self._scratch = scratch
        self._sealer = sealer

    def of(self, name: str, found: Sequence[Posted], *, minors: bool) -> list[Wish]:
        """Return a recipe's channels as they must be.

        Args:
            name: the recipe's.
            found: what is at the publisher.
            minors: whether each minor series has a channel too.

        """
        grouped = channels(name, found, minors=minors)
        return [self._channel(tag, editions, found) for tag, editions in grouped.items()]

    def index(self, found: Sequence[Posted]) -> list[Wish]:
        """Return the index of everything that is published."""
        text = self._scratch.write("bakery.json", published.index(found))
        wish = Wish(
            tag=INDEX,
            notes="`bakery.json` lists everything that is published here.",
            pieces=self._sealer.seal([text], _public(INDEX, found)),
            is_old=lambda _name: False,
        )
        return [wish]

    def _channel(self, tag: str, editions: list[Edition], found: Sequence[Posted]) -> Wish:
        kept = editions[: self._keep]
        pieces = [
            self._scratch.copy(edition.posted, image)
            for edition in reversed(kept)
            for image in edition.images.values()
        ]
        newest = kept[0].posted
        for suffix in sysupdate.SUFFIXES:
            transfer = newest.asset(f"{tag}{suffix}")
            if transfer:
                pieces.append(self._scratch.copy(newest, transfer))
        return Wish(
            tag=tag,
            notes=f"What hosts find that follow `{tag}` with systemd-sysupdate.",
            pieces=self._sealer.seal(pieces, _public(tag, found)),
            is_old=partial(_is_old, kept[-1]),
        )


def _public(tag: str, found: Sequence[Posted]) -> Posted | None:
    named = (release for release in found if release.tag == tag)
    return next((release for release in named if release.visibility == "public"), None)


def _is_old(oldest: Edition, file: str) -> bool:
    """Return whether a file is an image of a version before the oldest that stays.

    Newer ones may be another writer's, who has seen more.
    """
    found = re.fullmatch(rf"{re.escape(oldest.name)}-(.+)-(?:{_ARCHES})\.raw", file)
    if found is None or not Version.is_written(found[1]):
        return False
    return Version.parse(found[1]) < Version.parse(oldest.version)
