"""How long steps have taken, handed from one run of a workflow to the next, and what others will.

What was not measured is expected to take what other versions of its recipe did; else what images of
so many bytes did, by a line through all that was measured; else what is usual.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from bakery.build.steps import fetch
from bakery.decoding import from_json, to_json
from bakery.errors import BakeryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from bakery.recipe.plan import Asset, Image

KINDS = ("fetch", "stage", "squash", "check", "boot")
LONGEST = 6 * 3600
"""Seconds that GitHub lets a job run; nothing has taken longer."""

_ASSET = 30_000_000  # bytes of one whose size nobody knows
_FEW = 5  # images of which it can't be told how time grows with size
_RECORDS = ".bakery"


class TimesError(BakeryError):
    """What should be measured times is something else."""


class _Timed(msgspec.Struct):
    """A record, as far as it tells how long its step took."""

    seconds: float


@dataclass(frozen=True)
class _Line:
    """Seconds by bytes."""

    base: float
    rate: float

    def at(self, size: float) -> float:
        return self.base + self.rate * size

    @classmethod
    def through(cls, points: list[tuple[int, float]], usual: _Line) -> _Line:
        """Return the line nearest to points; the usual one where there are none."""
        if not points:
            return usual
        sizes, seconds = zip(*points, strict=True)
        if len(points) >= _FEW and len(set(sizes)) > 1:
            rate, base = statistics.linear_regression(sizes, seconds)
            if rate >= 0 and base >= 0:
                return cls(base, rate)
        factor = sum(seconds) / sum(map(usual.at, sizes))  # of how much slower this is than usual
        return cls(usual.base * factor, usual.rate * factor)


# on runners with four processors, boots on three machines
_USUAL = {
    "fetch": _Line(0.5, 1 / 40e6),
    "stage": _Line(0.5, 1 / 60e6),
    "squash": _Line(0.5, 1 / 25e6),
    "check": _Line(0.5, 1 / 100e6),
    "boot": _Line(15.0, 1 / 100e6),
}


def measured(folders: Iterable[Path]) -> dict[str, float]:
    """Return the seconds of the steps on record in output folders, by the steps' names.

    What is no record, or one of a time that can't be, is passed over.
    """
    times = {}
    for folder in folders:
        for kind in KINDS:
            for path in sorted((folder / _RECORDS / kind).glob("*.json")):
                try:
                    seconds = from_json(path.read_bytes(), _Timed).seconds
                except (OSError, msgspec.DecodeError):
                    continue
                if 0 <= seconds <= LONGEST:
                    times[f"{kind}:{path.stem}"] = seconds
    return times


def decode(data: bytes) -> dict[str, float]:
    """Return times from JSON.

    Raises:
        TimesError: it is something else.

    """
    try:
        times = from_json(data, dict[str, float])
    except msgspec.DecodeError as error:
        raise TimesError(
            "the times can't be read", why=str(error), fix="remove the file: it is measured anew"
        ) from error
    return {name: each for name, each in times.items() if 0 <= each <= LONGEST}


def encode(times: Mapping[str, float]) -> bytes:
    """Return times as JSON, one a line."""
    return to_json(dict(sorted(times.items())))


def of_catalogue(times: Mapping[str, float], images: Iterable[Image]) -> dict[str, float]:
    """Return the times of what recipes have now."""
    names = {name for image in images for name in _names(image)}
    return {name: each for name, each in times.items() if name in names}


def _names(image: Image) -> Iterator[str]:
    yield from (f"{kind}:{image.id}" for kind in KINDS)
    yield from (f"{fetch.KIND}:{fetch.name(asset)}" for asset in image.contents.assets)


class Expected:
    """How long steps will take.

    Args:
        times: what was measured, by the steps' names.
        images: all there are, whose steps were measured.

    """

    def __init__(self, times: Mapping[str, float], images: Iterable[Image]) -> None:
        self._times = times
        self._images = list(images)

    def fetch(self, asset: Asset) -> float:
        """Return the seconds that an asset takes to be fetched."""
        known = self._times.get(f"{fetch.KIND}:{fetch.name(asset)}")
        return self._lines[fetch.KIND].at(_size(asset)) if known is None else known

    def build(self, image: Image) -> float:
        """Return the seconds that an image takes to be staged, squashed and checked."""
        return sum(self._step(kind, image) for kind in ("stage", "squash", "check"))

    def boot(self, image: Image) -> float:
        """Return the seconds that an image takes to be booted."""
        return self._step("boot", image)

    def _step(self, kind: str, image: Image) -> float:
        known = self._times.get(f"{kind}:{image.id}")
        if known is not None:
            return known
        alike = self._by_recipe.get((kind, image.contents.name, image.contents.arch))
        return statistics.fmean(alike) if alike else self._lines[kind].at(size(image))

    @cached_property
    def _by_recipe(self) -> dict[tuple[str, str, str], list[float]]:
        by_recipe: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        for kind, image, seconds in self._measured():
            by_recipe[kind, image.contents.name, image.contents.arch].append(seconds)
        return by_recipe

    @cached_property
    def _lines(self) -> dict[str, _Line]:
        points: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for kind, image, seconds in self._measured():
            points[kind].append((size(image), seconds))
        assets = {fetch.name(asset): asset for i in self._images for asset in i.contents.assets}
        for name, asset in assets.items():
            known = self._times.get(f"{fetch.KIND}:{name}")
            if known is not None and asset.size is not None:
                points[fetch.KIND].append((asset.size, known))
        return {kind: _Line.through(points[kind], usual) for kind, usual in _USUAL.items()}

    def _measured(self) -> Iterator[tuple[str, Image, float]]:
        for image in self._images:
            for kind in KINDS[1:]:
                seconds = self._times.get(f"{kind}:{image.id}")
                if seconds is not None:
                    yield kind, image, seconds


def size(image: Image) -> int:
    """Return the bytes of an image's assets, as far as they are known."""
    return sum(map(_size, image.contents.assets))


def _size(asset: Asset) -> int:
    return _ASSET if asset.size is None else asset.size
