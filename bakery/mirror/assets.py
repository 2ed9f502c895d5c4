"""Upstream's assets, brought to a mirror under their digests, so that any address resolves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.errors import BakeryError
from bakery.mirror.errors import GoneError
from bakery.mirror.source import Wanted
from bakery.publish.release import LocalFile
from bakery.recipe.names import ASSETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from bakery.mirror.copy import Target
    from bakery.mirror.source import Source
    from bakery.settings import Settings
    from bakery.store.download import Asset
    from bakery.store.folder import Store

_BATCH = 1 << 30
"""Bytes that are on their way at a time, unless one file alone has more."""


@dataclass(frozen=True, kw_only=True)
class Assets:
    """Finds assets: in the store, at sources that are mirrors with assets, or upstream.

    Attributes:
        sources: the sources.
        store: keeps what upstream gives.
        settings: how upstream is asked.

    """

    sources: Sequence[Source]
    store: Store
    settings: Settings

    def copy(
        self,
        assets: Iterable[Asset],
        target: Target,
        failed: Callable[[str, BakeryError], object],
    ) -> Iterator[int]:
        """Bring what the target lacks, batch by batch; yield the bytes of each that is there.

        Args:
            assets: what is locked.
            target: where they go.
            failed: called for each that can't be had, with its address.

        Raises:
            PublishError: the target refuses them.

        """
        batch: list[LocalFile] = []
        for asset in missing(assets, target):
            try:
                path = self._bring(asset, target)
            except BakeryError as error:
                failed(asset.url, error)
                continue
            size = path.stat().st_size
            if batch and sum(file.size for file in batch) + size > _BATCH:
                yield from _put(batch, target)
                batch = []
            batch.append(LocalFile(name=asset.sha256, path=path, size=size, sha256=asset.sha256))
        yield from _put(batch, target)

    def _bring(self, asset: Asset, target: Target) -> Path:
        from bakery.store.download import fetch
        from bakery.upstream.resolve import resolve

        if path := self.store.find(asset.sha256, asset.size):
            return path
        wanted = Wanted(name=asset.sha256, sha256=asset.sha256, size=asset.size)
        for source in self.sources:
            try:
                return source.bring(ASSETS, wanted, target.scratch, target.progress)
            except GoneError:
                continue
        return fetch(
            self.store,
            asset,
            settings=self.settings,
            progress=target.progress,
            resolve=lambda address: resolve(address, self.settings),
        )


def missing(assets: Iterable[Asset], target: Target) -> list[Asset]:
    """Return the assets that a target lacks, each once."""
    there = {
        (asset.name, asset.sha256)
        for release in target.seen(ASSETS)
        if release.is_public
        for asset in release.assets
        if asset.whole
    }
    once = {asset.sha256: asset for asset in assets}
    return [asset for digest, asset in once.items() if (digest, digest) not in there]


def _put(batch: list[LocalFile], target: Target) -> Iterator[int]:
    if batch:
        target.put(ASSETS, batch)
        for file in batch:
            (target.scratch.path(file.sha256)).unlink(missing_ok=True)
            yield file.size
