"""Gather what a catalogue costs; nothing here uses the network."""

from __future__ import annotations

import os
from collections import defaultdict
from math import ceil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec.structs import replace

from bakery.build.steps import fetch
from bakery.build.steps.fetch import Fetched
from bakery.build.steps.squashed import KIND, Squashed
from bakery.ci.times import KINDS, measured
from bakery.costs.hints import hints
from bakery.costs.model import Calls, Costs, Growth, Origin, StepKind, Stored
from bakery.recipe.upstreams import GithubUpstream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bakery.build.state import State
    from bakery.publish.model import RemoteRelease
    from bakery.recipe.load import Source
    from bakery.recipe.plan import Asset, Image, Release
    from bakery.settings import Settings
    from bakery.store.folder import Store

_PAGE = 100  # releases in an answer of GitHub's
_READ = 3  # small files of each release: SHA256SUMS, its signature, release.json


def gather(
    settings: Settings,
    state: State,
    store: Store,
    sources: Mapping[str, Source],
    releases: Sequence[Release],
    *,
    published: Sequence[RemoteRelease] | None = None,
) -> Costs:
    """Return what a catalogue costs.

    Releases are given oldest first; `published` is what the publisher lists, None where it was not
    asked.
    """
    images = [image for release in releases for image in release.images]
    assets = {asset.sha256: asset for image in images for asset in image.contents.assets}
    sizes = {digest: _size(asset, state, store) for digest, asset in assets.items()}
    costs = Costs(
        recipes=len(sources),
        releases=len(releases),
        images=len(images),
        fetched=tuple(_origins(assets, sizes, state)),
        stored=tuple(_stored(settings, store, assets)),
        published=None if published is None else tuple(_published(settings, published)),
        steps=tuple(_steps(state.dist)),
        growth=tuple(_growth(releases, sizes, state)),
        calls=tuple(_calls(sources, len(releases))),
        hints=(),
    )
    return replace(costs, hints=tuple(hints(costs)))


def _size(asset: Asset, state: State, store: Store) -> int | None:
    if asset.size is not None:
        return asset.size
    record = state.record(fetch.KIND, fetch.name(asset), Fetched)
    if record:
        return record.facts.size
    path = store.path(asset.sha256)
    return path.stat().st_size if store.has(asset.sha256) else None


def _origins(
    assets: Mapping[str, Asset], sizes: Mapping[str, int | None], state: State
) -> list[Origin]:
    by_name: dict[str, list[Asset]] = defaultdict(list)
    for asset in assets.values():
        address = urlsplit(asset.url)
        web = address.scheme in ("http", "https")
        by_name[(address.hostname or "") if web else address.scheme].append(asset)
    origins = [
        Origin(
            name=name,
            assets=len(some),
            bytes=sum(sizes[asset.sha256] or 0 for asset in some),
            unknown=sum(sizes[asset.sha256] is None for asset in some),
            fetched=sum(_fetched(asset, state) for asset in some),
        )
        for name, some in by_name.items()
    ]
    return sorted(origins, key=lambda origin: (-origin.bytes, -origin.assets, origin.name))


def _fetched(asset: Asset, state: State) -> int:
    record = state.record(fetch.KIND, fetch.name(asset), Fetched)
    return record.facts.size if record and record.key == asset.sha256 else 0


def _stored(settings: Settings, store: Store, assets: Mapping[str, Asset]) -> Iterator[Stored]:
    named: list[int] = []
    others: list[int] = []
    for path, size in _files(store.blobs):
        (named if os.path.basename(path) in assets else others).append(size)  # noqa: PTH119  thousands
    where = str(store.root)
    yield Stored(what="store: of this catalogue", files=len(named), bytes=sum(named), where=where)
    if others:
        yield Stored(what="store: of others", files=len(others), bytes=sum(others), where=where)
    dist = settings.dist
    parts: dict[str, list[int]] = {"images": [], "trees": [], "records and documents": []}
    for path, size in _files(dist):
        first = os.path.relpath(path, dist).partition(os.sep)[0]
        kind = "images" if path.endswith(".raw") else "records and documents"
        parts["trees" if first == "stage" else kind].append(size)
    for what, counted in parts.items():
        yield Stored(what=f"dist: {what}", files=len(counted), bytes=sum(counted), where=str(dist))


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the files below a folder, and their sizes; of those that vanish meanwhile, none.

    Raises:
        OSError: a folder can't be read.

    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for root, _, names in os.walk(folder, onerror=refuse):
        for name in names:
            path = f"{root}/{name}"
            try:
                yield path, os.lstat(path).st_size
            except FileNotFoundError:
                continue


def _published(settings: Settings, published: Sequence[RemoteRelease]) -> Iterator[Stored]:
    kinds: dict[str, list[int]] = {"images": [], "documents and lists": []}
    for asset in (asset for release in published for asset in release.assets):
        kinds["images" if asset.name.endswith(".raw") else "documents and lists"].append(asset.size)
    for what, counted in kinds.items():
        where = settings.publisher
        yield Stored(what=f"published: {what}", files=len(counted), bytes=sum(counted), where=where)


def _steps(dist: Path) -> list[StepKind]:
    by_kind: dict[str, dict[str, float]] = defaultdict(dict)
    for step, seconds in measured([dist]).items():
        kind, _, name = step.partition(":")
        by_kind[kind][name] = seconds
    kinds = []
    for kind in filter(by_kind.__contains__, KINDS):
        times = by_kind[kind]
        longest = max(times, key=times.__getitem__)
        kinds.append(
            StepKind(
                kind=kind,
                steps=len(times),
                seconds=round(sum(times.values()), 3),
                longest=fetch.shown(f"{kind}:{longest}").partition(":")[2],
                longest_seconds=times[longest],
            )
        )
    return sorted(kinds, key=lambda each: -each.seconds)


def _growth(
    releases: Iterable[Release], sizes: Mapping[str, int | None], state: State
) -> list[Growth]:
    by_recipe: dict[str, list[Release]] = defaultdict(list)
    for release in releases:
        if release.images:
            by_recipe[release.source.name].append(release)
    grown = []
    for name, some in by_recipe.items():
        built = [_image_bytes(release.images, state) for release in some]
        of, counted = "images", built
        if None in built:
            of, counted = "assets", [_asset_bytes(release.images, sizes) for release in some]
        known = [each for each in counted if each is not None]
        grown.append(
            Growth(
                name=name,
                versions=len(some),
                of=of,
                oldest=counted[0],
                newest=counted[-1],
                bytes=sum(known),
                unknown=len(counted) - len(known),
            )
        )
    return sorted(grown, key=lambda each: (-each.bytes, each.name))


def _image_bytes(images: Iterable[Image], state: State) -> int | None:
    """Return the bytes of images as they were written here; None where not all were."""
    records = [state.record(KIND, image.id, Squashed) for image in images]
    return None if None in records else sum(record.facts.size for record in records if record)


def _asset_bytes(images: Iterable[Image], sizes: Mapping[str, int | None]) -> int | None:
    """Return the bytes of images' assets; None where not all are known."""
    digests = {asset.sha256 for image in images for asset in image.contents.assets}
    known = [size for digest in digests if (size := sizes[digest]) is not None]
    return sum(known) if len(known) == len(digests) else None


def _calls(sources: Mapping[str, Source], releases: int) -> Iterator[Calls]:
    """Yield what a day of the workflows asks GitHub's API for, once all releases are published."""
    listed = {
        upstream.github
        for source in sources.values()
        for upstream in (source.recipe.upstream, *source.recipe.parts.values())
        if isinstance(upstream, GithubUpstream)
    }
    pages = ceil((releases + len(sources) + 1) / _PAGE)  # a channel each, and the index
    yield Calls(workflow="update", calls=len(listed), why="versions: a page of each repository")
    yield Calls(workflow="release: plan", calls=pages, why="the list of releases")
    yield Calls(
        workflow="release: sign-channels",
        calls=pages + _READ * releases,
        why=f"the list, and {_READ} small files of each release",
    )
    yield Calls(workflow="release: channels", calls=pages, why="the list; more where one moves")
