"""To a registry and from there: the same bytes, once; and assets by their digests."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from harness.debian import Debian
from harness.registry import docker_registry

from bakery import settings as settings_module
from bakery.registry.reference import SCHEME
from bakery.release.document import ReleasedAsset
from bakery.store.download import fetch
from bakery.store.folder import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.registry import Running

BODY = b"asset" * 999


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Running]:
    if not shutil.which("apt-get"):
        pytest.skip("needs apt-get, to get Debian's docker-registry")
    with docker_registry(Debian("bookworm"), tmp_path / "registry") as running:
        yield running


def held(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.mark.e2e
def test_to_a_registry_and_from_there(
    site: Any, mirrors: Any, registry: Running, tmp_path: Path
) -> None:

    sha256 = hashlib.sha256(BODY).hexdigest()
    asset = ReleasedAsset(
        url="pypi:a/a-1-any.whl", sha256=sha256, trust="first-use", size=len(BODY)
    )
    site.publish("other", "v4", assets=(asset,))
    store = Store(tmp_path / "store")
    store.partials.mkdir(parents=True)
    (store.partials / "x").write_bytes(BODY)
    store.adopt(store.partials / "x", sha256)

    place = f"{SCHEME}{registry.host}/me/mirror"
    mirrors.run(site.root, place, with_assets=True)
    assert mirrors.run(site.root, place, with_assets=True) == ["all of it is there"]
    target = tmp_path / "target"
    offline = {"BAKERY_OFFLINE": "1"}
    mirrors.run(
        place, target, with_assets=True, store=tmp_path / "other store", environment=offline
    )
    found = held(target)
    assert found.pop(f"assets/{sha256}") == BODY
    assert found == site.files()

    site.publish("other", "v5")
    mirrors.run(site.root, place, arches=("arm64",))
    mirrors.run(site.root, place)
    mirrors.run(place, target)
    assert {k: v for k, v in held(target).items() if not k.startswith("assets/")} == site.files()

    for mirror in (place, place.replace("//", "", 1)):
        variables = {"BAKERY_MIRROR": mirror, "BAKERY_STORE": str(tmp_path / mirror[4:9])}
        settings = settings_module.load(tmp_path, variables)
        for url in (asset.url, "https://example.com/a.tgz"):
            wanted = ReleasedAsset(url=url, sha256=sha256, trust="first-use", size=len(BODY))
            path = fetch(Store(settings.store), wanted, settings=settings)
            assert path.read_bytes() == BODY
            path.unlink()
