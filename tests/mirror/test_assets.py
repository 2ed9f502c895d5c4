"""Upstream's assets under their digests: from the store, another mirror, or upstream itself."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from harness.github import REPOSITORY, GitHub
from harness.mirror import Mirror

from bakery import settings as settings_module
from bakery.http.client import Client
from bakery.http.retry import RetryPolicy
from bakery.recipe.names import ASSETS
from bakery.release.document import ReleasedAsset
from bakery.store.download import fetch
from bakery.store.errors import DownloadError
from bakery.store.folder import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODIES = [f"asset {number}".encode() * 99 for number in range(3)]
DIGESTS = [hashlib.sha256(body).hexdigest() for body in BODIES]
CLIENT = Client(retry=RetryPolicy(tries=1))


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Mirror]:
    (tmp_path / "upstream").mkdir()
    with Mirror(tmp_path / "upstream") as server:
        yield server


@pytest.fixture
def assets(upstream: Mirror) -> list[ReleasedAsset]:
    """Two that upstream serves, and one of a package index, in no size's words."""
    made = []
    for number, body in enumerate(BODIES):
        path = upstream.folder / f"dl.example.com/{number}.tgz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
        url = f"https://dl.example.com/{number}.tgz" if number < 2 else "pypi:app/app-1-any.whl"
        size = len(body) if number else None
        made.append(ReleasedAsset(url=url, sha256=DIGESTS[number], trust="first-use", size=size))
    return made


@pytest.fixture
def source(site: Any, assets: list[ReleasedAsset], tmp_path: Path) -> Any:
    """The publisher, whose newest release is made of the assets; the store has the last."""
    site.publish("app", "3.0", assets=tuple(assets))
    site.publish("app", "3.1", assets=tuple(assets[:1]))
    store = Store(tmp_path / "store")
    store.partials.mkdir(parents=True)
    (store.partials / "x").write_bytes(BODIES[2])
    store.adopt(store.partials / "x", DIGESTS[2])
    return site


def copied(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / ASSETS).iterdir()}


def got(asset: ReleasedAsset, tmp_path: Path, mirror: str, **variables: str) -> bytes:
    """Build's own fetch, with an empty store and BAKERY_MIRROR alone."""
    variables = {"BAKERY_MIRROR": mirror, "BAKERY_STORE": str(tmp_path / "empty"), **variables}
    settings = settings_module.load(tmp_path, variables)

    def resolve(address: str) -> str:
        raise AssertionError(address)

    path = fetch(Store(settings.store), asset, settings=settings, resolve=resolve, client=CLIENT)
    return path.read_bytes()


def test_a_build_takes_all_assets_from_a_mirror(
    source: Any,
    mirrors: Any,
    upstream: Mirror,
    assets: list[ReleasedAsset],
    tmp_path: Path,
) -> None:
    target = tmp_path / "target"
    options = {"with_assets": True, "environment": {"BAKERY_MIRROR": upstream.url}}
    dry = list(mirrors.plan(source.root, target, **options).preview())
    assert f"copy {assets[1].url}: {len(BODIES[1])} bytes" in dry
    assert not target.exists()
    mirrors.run(source.root, target, **options)
    assert copied(target) == dict(zip(DIGESTS, BODIES, strict=True))
    upstream.requests.clear()
    assert mirrors.run(source.root, target, **options) == ["all of it is there"]
    assert upstream.requests == []

    for number, asset in enumerate(assets):
        assert got(asset, tmp_path, str(target), BAKERY_OFFLINE="1") == BODIES[number]
    with Mirror(target) as server:
        for number, asset in enumerate(assets):
            (tmp_path / "empty/sha256" / DIGESTS[number][:2] / DIGESTS[number]).unlink()
            assert got(asset, tmp_path, server.url) == BODIES[number]


def test_from_mirror_to_mirror_without_upstream(
    source: Any, mirrors: Any, upstream: Mirror, tmp_path: Path
) -> None:
    options = {"with_assets": True, "environment": {"BAKERY_MIRROR": upstream.url}}
    mirrors.run(source.root, tmp_path / "one", **options)
    offline = {"with_assets": True, "environment": {"BAKERY_OFFLINE": "1"}}
    with Mirror(tmp_path / "one") as server:
        mirrors.run(server.url, tmp_path / "two", store=tmp_path / "other", **offline)
    assert copied(tmp_path / "two") == copied(tmp_path / "one")


def test_by_way_of_github(
    source: Any, mirrors: Any, upstream: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"with_assets": True, "environment": {"BAKERY_MIRROR": upstream.url}}
    offline = {"with_assets": True, "environment": {"BAKERY_OFFLINE": "1"}}
    with GitHub() as github:
        for name, value in github.environment.items():
            monkeypatch.setenv(name, value)
        place = f"github:{REPOSITORY}"
        mirrors.run(source.root, place, **options)
        mirrors.run(place, tmp_path / "two", store=tmp_path / "other", **offline)
    assert copied(tmp_path / "two") == dict(zip(DIGESTS, BODIES, strict=True))


def test_what_upstream_has_no_more_stops_nothing_else(
    source: Any, mirrors: Any, upstream: Mirror, assets: list[ReleasedAsset], tmp_path: Path
) -> None:
    (upstream.folder / "dl.example.com/0.tgz").write_bytes(b"something else")
    target = tmp_path / "target"
    options = {"with_assets": True, "environment": {"BAKERY_MIRROR": upstream.url}}
    _, failures = mirrors.attempt(source.root, target, **options)
    assert {*failures} == {assets[0].url}
    assert {*copied(target)} == {*DIGESTS[1:]}
    assert (target / "app" / "SHA256SUMS").is_file()


def test_a_damaged_asset_in_a_mirror_is_refused(
    source: Any, mirrors: Any, upstream: Mirror, assets: list[ReleasedAsset], tmp_path: Path
) -> None:
    target = tmp_path / "target"
    options = {"with_assets": True, "environment": {"BAKERY_MIRROR": upstream.url}}
    mirrors.run(source.root, target, **options)
    (target / ASSETS / DIGESTS[1]).write_bytes(b"x" * len(BODIES[1]))
    with pytest.raises(DownloadError):
        got(assets[1], tmp_path, str(target))
    mirrors.run(source.root, target, **options)
    assert copied(target) == dict(zip(DIGESTS, BODIES, strict=True))
