from __future__ import annotations

from bakery.recipe.lock import LockedAsset
from bakery.release.components import Component, asset

PROJECT = Component(name="esbuild", version="0.28.2", supplier="x", purl="pkg:npm/esbuild@0.28.2")


def test_an_npm_package_is_called_as_package_urls_have_it() -> None:
    locked = LockedAsset(
        url="npm:@esbuild/linux-x64/linux-x64-0.28.2.tgz", sha256="1" * 64, trust="registry"
    )
    published, built_from = asset(locked, PROJECT)
    assert published.purl == "pkg:npm/%40esbuild/linux-x64@0.28.2"
    assert published.name == "linux-x64-0.28.2.tgz"
    assert built_from == PROJECT
