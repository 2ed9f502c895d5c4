"""Channels in another place than the releases that their files are of.

A repository with immutable releases takes releases, and lets no channel move. Its channels then are
in a folder that a web server serves, such as GitHub Pages, or in a second repository.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bakery.recipe.names import INDEX
from bakery.release import index

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.publish.model import Publisher, RemoteAsset, RemoteRelease

_CONTENTS = (index.CHANNEL, f"{INDEX}.json")


class Apart:
    """The place of channels; of that of releases it reads, and changes nothing there.

    Channels that are among the releases, from the time before, are no longer seen.
    """

    def __init__(self, releases: Publisher, channels: Publisher) -> None:
        self._releases = releases
        self._channels = channels
        self.find, self.draft, self.upload = channels.find, channels.draft, channels.upload
        self.publish, self.swap = channels.publish, channels.swap
        self.delete, self.discard = channels.delete, channels.discard

    def releases(self) -> list[RemoteRelease]:
        """Return the channels, and the releases at the other place."""
        others = [
            msgspec.structs.replace(release, elsewhere=True)
            for release in self._releases.releases()
            if not any(release.asset(name) for name in _CONTENTS)
        ]
        return [*self._channels.releases(), *others]

    def fetch(self, release: RemoteRelease, asset: RemoteAsset, target: Path) -> None:
        """Download a file from the place where it is, and check its digest."""
        place = self._releases if release.elsewhere else self._channels
        place.fetch(release, asset, target)
