"""Channels: for every recipe, a release that always has its newest versions for hosts to follow.

Everything in a channel comes from what is published, so that a lost or damaged one heals; and the
writer looks again after it has written, so that of two writers none loses the other's versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.characters import visible
from bakery.publish.channel_steps import DesiredChannel
from bakery.publish.model import public_of
from bakery.publish.published import indexed
from bakery.recipe.names import INDEX, release_name
from bakery.release import index, sysupdate
from bakery.settings import CERTIFICATE
from bakery.text import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bakery.publish.channel_steps import Piece, Scratch
    from bakery.publish.model import RemoteRelease
    from bakery.publish.published import Catalogue, Edition
    from bakery.publish.signed_index import IndexSigner


def channels(name: str, editions: Sequence[Edition], *, minors: bool) -> dict[str, list[Edition]]:
    """Return the channels of a recipe, each with all that it could hold, newest first.

    Pre-releases are left out: hosts would take 1.0-rc.2 for newer than 1.0 (systemd's order). A
    minor series has no channel where a version is called like it, since the tag is taken.

    Args:
        name: the recipe's.
        editions: its releases that are public, newest first.
        minors: whether each minor series has a channel too.

    """
    final = [edition for edition in editions if not edition.version.is_prerelease]
    grouped = {name: final} if final else {}
    taken = {edition.posted.tag for edition in editions}
    for edition in final if minors else ():
        minor = edition.version.minor
        tag = release_name(name, minor)
        if tag not in taken and edition.version.tag.startswith(f"{minor}."):
            grouped.setdefault(tag, []).append(edition)
    return grouped


def previews(editions: Sequence[Edition]) -> dict[str, str]:
    """Return why pre-releases are in no channel, by their tags."""
    why = "hosts would take a pre-release for newer than its release"
    return {edition.posted.tag: why for edition in editions if edition.version.is_prerelease}


def notes(tag: str) -> str:
    """Return the description of a channel, or of the index, in Markdown."""
    if tag == INDEX:
        return f"`{INDEX}.json` lists everything that is published here."
    return f"What hosts find that follow `{tag}` with systemd-sysupdate."


class Channels:
    """Says what channels and the index must hold.

    Args:
        catalogue: reads what is published.
        scratch: for files on their way.
        signer: writes the indexes.
        keep: how many versions a channel holds.

    """

    def __init__(
        self, catalogue: Catalogue, scratch: Scratch, signer: IndexSigner, keep: int
    ) -> None:
        self._catalogue = catalogue
        self._left_out: dict[str, str] = {}
        self._keep = keep
        self._scratch = scratch
        self._signer = signer

    def of(
        self, name: str, found: Sequence[RemoteRelease], *, minors: bool
    ) -> list[DesiredChannel]:
        """Return a recipe's channels as they must be.

        Args:
            name: the recipe's.
            found: what is at the publisher.
            minors: whether each minor series has a channel too.

        """
        editions = self._catalogue.editions(found, name)
        refused = self._catalogue.refused(found, name)
        self._left_out |= previews(editions) | refused
        unvouched = [
            asset.name
            for posted in found
            if posted.tag in refused
            for asset in posted.assets
            if asset.name.startswith(f"{posted.tag}-")
        ]
        grouped = channels(name, editions, minors=minors)
        return [self._channel(tag, held, found, unvouched) for tag, held in grouped.items()]

    def index(self, found: Sequence[RemoteRelease]) -> list[DesiredChannel]:
        """Return the index of everything that is published."""
        self._left_out |= self._catalogue.refused(found)
        text = self._scratch.write(
            f"{INDEX}.json", index.encode(map(indexed, self._catalogue.editions(found)))
        )
        channel = DesiredChannel(
            tag=INDEX,
            notes=notes(INDEX),
            pieces=self._signed(INDEX, [text], found),
            old=frozenset(),
        )
        return [channel]

    def left_out(self) -> list[str]:
        """Return, for people, which releases are in no channel, and why."""
        return [
            f"{LEFT_OUT}{visible(tag)}, since {visible(why)}"
            for tag, why in sorted(self._left_out.items())
        ]

    def _channel(
        self,
        tag: str,
        editions: list[Edition],
        found: Sequence[RemoteRelease],
        unvouched: Iterable[str],
    ) -> DesiredChannel:
        kept, old = editions[: self._keep], editions[self._keep :]
        pieces = [
            self._scratch.copy(edition.posted, image)
            for edition in reversed(kept)
            for image in edition.files
        ]
        pieces.append(self._scratch.write(index.CHANNEL, index.encode(map(indexed, kept))))
        for name in (*sysupdate.names(tag), CERTIFICATE):
            newest = next((each for each in editions if name in each.assets), None)
            if newest is not None:
                pieces.append(self._scratch.copy(newest.posted, newest.assets[name]))
        return DesiredChannel(
            tag=tag,
            notes=notes(tag),
            pieces=self._signed(tag, pieces, found),
            old=frozenset(
                [
                    *unvouched,
                    *(image.name for edition in old for image in edition.files),
                    *sysupdate.names(tag),
                ]
            ),
        )

    def _signed(
        self, tag: str, pieces: Iterable[Piece], found: Sequence[RemoteRelease]
    ) -> tuple[Piece, ...]:
        public = public_of(release for release in found if release.tag == tag)
        return self._signer.signed(pieces, public)
