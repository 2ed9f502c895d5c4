"""The matrix of a workflow: which images each job bakes and boots, balanced by expected time."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from itertools import chain, groupby, zip_longest
from typing import TYPE_CHECKING

import msgspec

from bakery.build.steps import fetch
from bakery.ci.shards import Job, Load, divide, shares
from bakery.ci.times import size
from bakery.decoding import from_json
from bakery.errors import BakeryError
from bakery.lock.history import git, left, lock_before
from bakery.recipe.folder import LOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.ci.times import Expected
    from bakery.recipe.load import Recipes, Source
    from bakery.recipe.plan import Image, Release
    from bakery.settings import Settings

LIMIT = 256
"""Jobs in one matrix, the most that GitHub takes."""

MINUTES = 240
"""What a shard may be expected to take: each of its jobs ends long before GitHub's 6 hours."""

DISK = 14e9
"""Bytes that a runner of GitHub's has room for."""

_RUNNERS: dict[Arch, str] = {"x86-64": "ubuntu-24.04", "arm64": "ubuntu-24.04-arm"}
_CODE = ("bakery/", "dodo.py", "pyproject.toml")
_MINOR = {LOCK, "README.md"}  # versions are looked at; a text touches nothing
_BUILT = 6  # bytes for each of assets: they themselves, trees, and images
_SIGNED = 3  # the same where all that a run has built is signed: images of both kinds, as artifacts


class ShardError(BakeryError):
    """The work can't be divided as asked for."""


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """One job.

    Attributes:
        shard: its name.
        runner: the kind of machine, of the images' architecture, so that they can be booted.
        build: what doit is to build, the images that others require included.
        boot: what doit is to boot; each image stands in one shard.
        minutes: how long that is expected to take, one step after the other.

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
        return from_json(text, Matrix)
    except msgspec.DecodeError as error:
        raise ShardError("the matrix is none", why=str(error)) from error


def _images(tasks: str) -> list[str]:
    return [task.partition(":")[2] for task in tasks.split()]


def matrix(
    images: Iterable[Image],
    expected: Expected,
    count: int,
    required: Callable[[Image], Iterable[Image]],
) -> Matrix:
    """Return images divided among `count` jobs at most, so that the last of them ends early.

    Args:
        images: what is to be built and booted.
        expected: tells how long that will take.
        count: of jobs.
        required: tells which images one requires.

    Raises:
        ShardError: that is more than GitHub takes, or too few to have one for each architecture.

    """
    work: dict[Arch, list[Job]] = defaultdict(list)
    for image in images:
        work[image.contents.arch].append(_job(image, expected, required(image)))
    if not max(1, len(work)) <= count <= LIMIT:
        raise ShardError(
            f"{count} jobs are {'too many' if count > LIMIT else 'too few'}",
            fix=f"give --shards {max(1, len(work))} to {LIMIT}",
        )
    counts = shares({arch: Load.of(jobs).seconds for arch, jobs in work.items()}, count)
    return Matrix(
        include=tuple(
            _shard(arch, number, load)
            for arch, jobs in work.items()
            for number, load in enumerate(divide(jobs, counts[arch]), 1)
        )
    )


def fitting(
    images: Sequence[Image], make: Callable[[Sequence[Image]], Matrix]
) -> tuple[Matrix, list[Image]]:
    """Return the matrix of as many images as runners have time and room for, and those left over.

    A release that is too much by itself is tried alone once there is nothing else to do, so that it
    holds up no other.

    Args:
        images: those of a recipe's older releases before those of its newer ones.
        make: divides images.

    """
    by_id = {image.id: image for image in images}

    def is_too_much(some: Sequence[Image]) -> bool:
        return not _fits(make(some), by_id)

    if not is_too_much(images):
        return make(images), []
    releases = [list(release) for _, release in groupby(images, key=lambda image: image.release)]
    small = [image for release in releases if not is_too_much(release) for image in release]
    number = bisect_left(
        range(len(small) + 1), x=True, key=lambda n: is_too_much(at_most(n, small))
    )
    chosen = at_most(number - 1, small) or releases[-1]
    names = {image.id for image in chosen}
    return make(chosen), [image for image in images if image.id not in names]


def _fits(matrix: Matrix, images: Mapping[str, Image]) -> bool:
    built = matrix.images()
    sizes = {name: size(image) for name, image in images.items()}
    booted = sum(sizes[name] for _, names in built.values() for name in names)
    return (
        booted * _SIGNED <= DISK
        and all(shard.minutes <= MINUTES for shard in matrix.include)
        and all(
            sum(sizes.get(name, 0) for name in names) * _BUILT <= DISK
            for names, _ in built.values()
        )
    )


def _job(image: Image, expected: Expected, others: Iterable[Image]) -> Job:
    pieces = {f"boot:{image.id}": expected.boot(image)}
    for each in (image, *others):
        pieces[f"check:{each.id}"] = expected.build(each)
        for asset in each.contents.assets:
            pieces[f"{fetch.KIND}:{fetch.name(asset)}"] = expected.fetch(asset)
    return Job(name=image.id, pieces=pieces)


def _shard(arch: Arch, number: int, load: Load) -> Shard:
    return Shard(
        shard=f"{arch}-{number}",
        runner=_RUNNERS[arch],
        build=_tasks("check:", load),
        boot=_tasks("boot:", load),
        minutes=1 + int(load.seconds / 60),
    )


def _tasks(kind: str, load: Load) -> str:
    return " ".join(sorted(piece for piece in load.pieces if piece.startswith(kind)))


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
    base = left(settings, since)
    paths = git(settings, "diff", "--name-only", "--relative", base).splitlines()
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
