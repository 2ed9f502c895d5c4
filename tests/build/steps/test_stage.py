from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bakery import settings
from bakery.archive.hashed import HashedFile
from bakery.archive.kept import SharedFile
from bakery.build.context import Context
from bakery.build.steps import stage
from bakery.image.manifest import Manifest, ManifestEntry

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_size_that_is_shown_is_that_of_all_that_is_in_the_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries that come along are no bytes of what `install:` asks for."""
    shown: list[int] = []
    entries = [
        ManifestEntry(path=path, type="file", mode=0o755, size=size)
        for path, size in (("usr/bin/app", 10), ("usr/lib/app/libc.so.6", 5000))
    ]
    manifest = Manifest(image="app-1.0-x86-64", key="k", epoch=0, entries=tuple(entries))

    def install(
        _image: Any, _key: str, _assets: Any, _tree: Path, progress: Any, **_: Any
    ) -> Manifest:
        progress.restart(10)
        return manifest

    monkeypatch.setattr("bakery.image.stage.stage", install)
    (tmp_path / "scratch").mkdir()
    image: Any = SimpleNamespace(id="app-1.0-x86-64", contents=SimpleNamespace(assets=()))
    progress = SimpleNamespace(restart=shown.append)
    work: Any = SimpleNamespace(scratch=tmp_path / "scratch", key="k", progress=progress)
    stage._run(Context.of(settings.load(tmp_path, {})), image, work)
    assert shown == [10, 5010]


def test_images_with_an_asset_in_common_unpack_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Context.of(settings.load(tmp_path, {}))
    package = tmp_path / "package.deb"
    package.write_bytes(b"!<arch>\n")
    assets = (SimpleNamespace(sha256="0" * 64),)
    image: Any = SimpleNamespace(id="app-1.0-x86-64", contents=SimpleNamespace(assets=assets))
    stage.step(context, image, ())
    assert type(context.kept.file(package, "0" * 64)) is HashedFile
    stage.step(context, image, ())
    assert type(context.kept.file(package, "0" * 64)) is SharedFile

    given: list[object] = []

    def install(*_: object, kept: object, **_named: object) -> Manifest:
        given.append(kept)
        return Manifest(image=image.id, key="k", epoch=0, entries=())

    monkeypatch.setattr("bakery.image.stage.stage", install)
    monkeypatch.setattr(stage, "_assets", lambda *_: {})
    (tmp_path / "scratch").mkdir()
    progress = SimpleNamespace(restart=lambda _: None)
    work: Any = SimpleNamespace(scratch=tmp_path / "scratch", key="k", progress=progress)
    stage._run(context, image, work)
    assert given == [context.kept]
