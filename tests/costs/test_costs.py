"""What a catalogue costs: gathered from locks, records and folders, shown in 80 columns."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import msgspec
import pytest
from harness.repository import Repository

from bakery import settings
from bakery.build.state import Output, Record, State
from bakery.build.steps import fetch
from bakery.build.steps.booted import Booted
from bakery.build.steps.fetch import Fetched
from bakery.build.steps.squashed import Squashed
from bakery.costs.gather import gather
from bakery.costs.hints import HOURLY, hints
from bakery.costs.model import Calls, Costs, Growth, Origin
from bakery.costs.show import show
from bakery.publish.model import RemoteAsset, RemoteRelease
from bakery.recipe.load import load_all
from bakery.recipe.plan import releases
from bakery.store.folder import Store

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.recipe.plan import Image

LARGE, SMALL = 4_000_000_000, 1_000_000  # an asset for x86-64, and one for arm64


class Catalogue:
    """Three recipes of two versions, and what is on record of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = {image.id: image for image in Repository(root).images}
        self.settings = settings.load(root, {"BAKERY_STORE": str(root / "store")})

    def record(
        self, kind: str, name: str, facts: msgspec.Struct, seconds: float, key: str = "k"
    ) -> None:
        path = self.settings.dist / ".bakery" / kind / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        outputs: tuple[Output, ...] = ()
        record = Record(key=key, outputs=outputs, seconds=seconds, facts=facts)
        path.write_bytes(msgspec.json.encode(record))

    def squashed(self, image: Image, size: int) -> None:
        facts = Squashed(sha256="1" * 64, size=size, contents=1, tools="t")
        self.record("squash", image.id, facts, seconds=2.0)

    def costs(self, published: list[RemoteRelease] | None = None) -> Costs:
        sources = load_all(self.root / "recipes")
        return gather(
            self.settings,
            State(self.settings.dist),
            Store(self.settings.store),
            sources,
            [release for source in sources.values() for release in releases(source)],
            published=published,
        )


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    def refuse(*_: object) -> None:
        raise AssertionError("the network is used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return Catalogue(tmp_path)


def test_what_a_cold_build_fetches_and_what_was_fetched_here(catalogue: Catalogue) -> None:
    image = catalogue.images["base-1.0-arm64"]
    (asset,) = image.contents.assets
    catalogue.record("fetch", fetch.name(asset), Fetched(size=SMALL), 3.0, key=asset.sha256)
    (origin,) = catalogue.costs().fetched
    # assets count once by digest, of which the fixture has one
    assert origin == Origin(
        name="example.com", assets=1, bytes=origin.bytes, unknown=0, fetched=origin.fetched
    )
    assert origin.bytes in (LARGE, SMALL)


def test_bytes_are_counted_where_they_lie(catalogue: Catalogue) -> None:
    store, dist = Store(catalogue.settings.store), catalogue.settings.dist
    files = {
        store.path("1" * 64): 10,
        store.path("2" * 64): 20,
        dist / "base-1.0/base-1.0-arm64.raw": 30,
        dist / "base-1.0/release.json": 5,
        dist / "stage/base-1.0-arm64/tree/usr/bin/base": 40,
    }
    for path, size in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    kept = {each.what: (each.files, each.bytes) for each in catalogue.costs().stored}
    assert kept == {
        "store: of this catalogue": (1, 10),
        "store: of others": (1, 20),
        "dist: images": (1, 30),
        "dist: trees": (1, 40),
        "dist: records and documents": (1, 5),
    }


def test_a_folder_that_cant_be_read_does_not_count_as_empty(catalogue: Catalogue) -> None:
    blobs = Store(catalogue.settings.store).blobs
    blobs.parent.mkdir(parents=True, exist_ok=True)
    blobs.write_text("no folder")
    with pytest.raises(NotADirectoryError, match="sha256"):
        catalogue.costs()


def test_seconds_are_those_on_record(catalogue: Catalogue) -> None:
    for seconds, image in enumerate(catalogue.images.values(), 1):
        catalogue.record("boot", image.id, Booted(boots=(), sha256=""), float(seconds))
    catalogue.squashed(catalogue.images["top-2.0-arm64"], 5)
    boot, squash = catalogue.costs().steps
    assert (boot.kind, boot.steps, boot.seconds) == ("boot", 12, 78.0)
    assert (boot.longest, boot.longest_seconds) == ([*catalogue.images][-1], 12.0)
    assert (squash.kind, squash.seconds) == ("squash", 2.0)


def test_recipes_grow_from_their_oldest_version_to_their_newest(catalogue: Catalogue) -> None:
    for image in catalogue.images.values():
        if image.contents.name == "base":
            catalogue.squashed(image, 100 if image.release == "base-1.0" else 300)
    growth = {each.name: each for each in catalogue.costs().growth}
    assert growth["base"] == Growth(
        name="base", versions=2, of="images", oldest=200, newest=600, bytes=800, unknown=0
    )
    assert growth["base"].factor == 3.0
    assert growth["top"].of == "assets"
    assert [*growth][-1] == "base"  # the largest first


def test_what_is_published_is_counted_where_it_was_asked_for(catalogue: Catalogue) -> None:
    names = {"base-1.0-arm64.raw": 10, "release.json": 3, "SHA256SUMS": 2}
    assets = tuple(
        RemoteAsset(name=name, size=size, sha256=None, id=name) for name, size in names.items()
    )
    release = RemoteRelease(tag="base-1.0", id="1", visibility="public", assets=assets)
    costs = catalogue.costs([release])
    assert costs.published
    counted = {each.what: (each.files, each.bytes) for each in costs.published}
    assert counted == {"published: images": (1, 10), "published: documents and lists": (2, 5)}
    assert catalogue.costs().published is None


def test_calls_are_of_the_list_and_of_what_is_read_of_each_release(catalogue: Catalogue) -> None:
    calls = {each.workflow: each.calls for each in catalogue.costs().calls}
    assert calls["release: plan"] == 1
    assert calls["release: sign-channels"] == 1 + 3 * 6


def test_more_calls_than_github_takes_are_told(catalogue: Catalogue) -> None:
    costs = catalogue.costs()
    many = msgspec.structs.replace(
        costs, calls=(Calls(workflow="update", calls=HOURLY + 1, why="all"),)
    )
    assert "update makes 1001 calls" in next(hints(many))
    assert not [hint for hint in costs.hints if "calls" in hint]


def test_everything_fits_into_80_columns(catalogue: Catalogue) -> None:
    for image in catalogue.images.values():
        catalogue.squashed(image, 3 << 40)
        catalogue.record("boot", f"{'a' * 60}-{image.id}", Booted(boots=(), sha256=""), 9999.9)
    costs = catalogue.costs()
    grown = Growth(
        name="n" * 60,
        versions=100,
        of="images",
        oldest=999 << 30,
        newest=999 << 40,
        bytes=999 << 40,
        unknown=1,
    )
    origin = Origin(name=f"{'h' * 60}.com", assets=9999, bytes=9 << 40, unknown=3, fetched=9 << 40)
    text = show(msgspec.structs.replace(costs, growth=(grown,), fetched=(origin,)), None)
    assert max(map(len, text.splitlines())) <= 80
    for part in ("fetched from", "kept", "boot", "calls of GitHub's API"):
        assert part in text


def test_small_recipes_are_summed_up(catalogue: Catalogue) -> None:
    text = show(catalogue.costs(), 1)
    assert "and 2 smaller ones" in text
    assert "--all" in text


def test_a_size_that_nobody_knows_is_not_taken_for_none(catalogue: Catalogue) -> None:
    grown = Growth(name="a", versions=2, of="assets", oldest=None, newest=5, bytes=5, unknown=1)
    assert grown.factor is None
    costs = msgspec.structs.replace(catalogue.costs(), growth=(grown,))
    line = next(line for line in show(costs, None).splitlines() if line.startswith("a "))
    assert line.split() == ["a", "2", "?", "5", "bytes", ">", "5", "bytes", "assets"]
