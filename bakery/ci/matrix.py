"""The matrix of a workflow: which images each job bakes and boots, balanced by expected time."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, groupby, zip_longest
from typing import TYPE_CHECKING

import msgspec

from bakery.errors import BakeryError
from bakery.lock.history import git, lock_before
from bakery.recipe.folder import LOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.build.state import State
    from bakery.recipe.load import Recipes, Source
    from bakery.recipe.plan import Image, Release
    from bakery.settings import Settings

LIMIT = 256
"""Jobs in one matrix, the most that GitHub takes."""

_RUNNERS: dict[Arch, str] = {"x86-64": "ubuntu-24.04", "arm64": "ubuntu-24.04-arm"}
_CODE = ("bakery/", "dodo.py", "pyproject.toml")
_MINOR = {LOCK, "README.md"}  # versions are looked at; a text touches nothing
_STEPS = ("stage", "squash", "boot")
_BASE = 60.0  # seconds for an image, its boots included
_RATE = 20e6  # bytes of assets a second: download, unpack, squash


class ShardError(BakeryError):
    """The work can't be divided as asked for."""


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """One job.

    Attributes:
        shard: its name.
        runner: the kind of machine, of the images' architecture, so that they can be booted.
        build: what doit is to build, the images that others require included.
        boot: what doit is to boot.
        minutes: how long that is expected to take.

    """

    shard: str
    runner: str
    build: str
    boot: str
    minutes: int


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """What a workflow's `strategy.matrix` takes."""

    include: tuple[Shard, ...]

    def images(self) -> dict[str, tuple[list[str], list[str]]]:
        """Return the images that each shard builds, and those of them that it boots."""
        return {shard.shard: (_images(shard.build), _images(shard.boot)) for shard in self.include}


def decode(text: str) -> Matrix:
    """Return the matrix that is written as JSON.

    Raises:
        ShardError: it is none.

    """
    try:
        return msgspec.json.decode(text, type=Matrix)
    except msgspec.DecodeError as error:
        raise ShardError("the matrix is none", why=str(error)) from error


def _images(tasks: str) -> list[str]:
    return [task.partition(":")[2] for task in tasks.split()]


def matrix(
    images: Iterable[Image],
    state: State,
    count: int,
    required: Callable[[Image], Iterable[Image]],
) -> Matrix:
    """Return images divided among `count` jobs at most: the longest first, to who has least.

    Args:
        images: what is to be built and booted.
        state: tells how long that took before.
        count: of jobs.
        required: tells which images one requires.

    Raises:
        ShardError: that is more than GitHub takes, or too few to have one for each architecture.

    """
    work: dict[Arch, dict[str, float]] = defaultdict(dict)
    together: dict[str, set[str]] = {}
    for image in images:
        work[image.contents.arch][image.id] = expected(image, state)
        together[image.id] = {image.id, *(other.id for other in required(image))}
    if not max(1, len(work)) <= count <= LIMIT:
        raise ShardError(
            f"{count} jobs are {'too many' if count > LIMIT else 'too few'}",
            fix=f"give --shards {max(1, len(work))} to {LIMIT}",
        )
    counts = _divided({arch: sum(times.values()) for arch, times in work.items()}, count)
    return Matrix(
        include=tuple(
            _shard(arch, number, {name: seconds[name] for name in names}, together)
            for arch, seconds in work.items()
            for number, names in enumerate(_balanced(seconds, counts[arch]), 1)
        )
    )


def _shard(
    arch: Arch, number: int, seconds: Mapping[str, float], together: Mapping[str, set[str]]
) -> Shard:
    return Shard(
        shard=f"{arch}-{number}",
        runner=_RUNNERS[arch],
        build=_tasks("check", {other for name in seconds for other in together[name]}),
        boot=_tasks("boot", seconds),
        minutes=1 + int(sum(seconds.values()) / 60),
    )


def _tasks(kind: str, images: Iterable[str]) -> str:
    return " ".join(f"{kind}:{image}" for image in sorted(images))


def at_most(number: int, images: Iterable[Image]) -> list[Image]:
    """Return so many images at most, of whole releases: the newest of all recipes come first.

    Args:
        number: of images.
        images: those of a recipe's older releases before those of its newer ones.

    """
    newest: dict[str, list[list[Image]]] = defaultdict(list)
    for _, group in groupby(images, key=lambda image: image.release):
        release = list(group)
        newest[release[0].contents.name].insert(0, release)
    chosen: list[Image] = []
    for release in chain.from_iterable(zip_longest(*newest.values(), fillvalue=[])):
        if len(chosen) + len(release) <= number:
            chosen += release
    return chosen


def expected(image: Image, state: State) -> float:
    """Return how many seconds an image will take: as long as before, or by its assets' sizes."""
    seconds = [state.seconds(kind, image.id) for kind in _STEPS]
    if seconds[1] is not None:
        return sum(filter(None, seconds))
    return _BASE + sum(asset.size or 0 for asset in image.contents.assets) / _RATE


def _divided(seconds: Mapping[Arch, float], count: int) -> dict[Arch, int]:
    """Return how many jobs each architecture gets; one at least, and `count` together at most."""
    counts = dict.fromkeys(seconds, 1)
    for _ in range(count - len(counts) if counts else 0):
        neediest = max(counts, key=lambda arch: seconds[arch] / counts[arch])
        counts[neediest] += 1
    return counts


def _balanced(seconds: Mapping[str, float], count: int) -> list[list[str]]:
    shards: list[tuple[float, list[str]]] = [(0.0, []) for _ in range(min(count, len(seconds)))]
    for name in sorted(seconds, key=lambda name: (-seconds[name], name)):
        least = min(range(len(shards)), key=lambda at: shards[at][0])
        total, names = shards[least]
        shards[least] = (total + seconds[name], [*names, name])
    return [names for _, names in shards]


def touched(
    releases: Sequence[Release], recipes: Recipes, settings: Settings, since: str
) -> list[Image]:
    """Return the images that changes since a commit can have changed.

    A changed recipe touches all its versions and those of recipes that build on it; a changed lock
    only the versions that changed in it; changed code every recipe's newest version.

    Raises:
        HistoryError: git does not know the commit.
        BakeryError: a recipe that has changed is broken.

    """
    paths = git(settings, "diff", "--name-only", "--relative", "--merge-base", since).splitlines()
    chosen: set[str] = set()
    if any(path.startswith(_CODE) for path in paths):
        newest = {release.source.name: release for release in releases if release.images}
        chosen |= {release.name for release in newest.values()}
    changed = {name: _changed(recipes.folder / name, settings, paths) for name in recipes}
    sources, broken = recipes.load()
    for name in broken:
        if changed[name]:
            raise broken[name]
    whole = _dependents({name for name, files in changed.items() if files - _MINOR}, sources)
    for release in releases:
        name = release.source.name
        if name in whole or (LOCK in changed[name] and _is_relocked(release, settings, since)):
            chosen.add(release.name)
    return [image for release in releases if release.name in chosen for image in release.images]


def _changed(recipe: Path, settings: Settings, paths: Iterable[str]) -> set[str]:
    if not recipe.is_relative_to(settings.root):
        return set()
    folder = f"{recipe.relative_to(settings.root)}/"
    return {path.removeprefix(folder) for path in paths if path.startswith(folder)}


def _dependents(names: set[str], sources: Mapping[str, Source]) -> set[str]:
    affected = set(names)
    while True:
        more = {
            name
            for name, source in sources.items()
            if {source.recipe.extends, *source.recipe.requires} & affected
        }
        if more <= affected:
            return affected
        affected |= more


def _is_relocked(release: Release, settings: Settings, since: str) -> bool:
    known = lock_before(release.source.folder, settings, since).versions
    return known.get(release.version.tag) != release.source.lock.versions.get(release.version.tag)
