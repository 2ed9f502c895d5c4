"""A disk that is too small, and one that is enlarged afterwards."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bakery import settings
from bakery.store.download import fetch
from bakery.store.errors import StoreError
from bakery.store.folder import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = bytes(range(256)) * 12_000
ROOM = 1 << 20


@dataclass(frozen=True)
class Asset:
    url: str
    sha256: str = hashlib.sha256(BODY).hexdigest()
    size: int | None = len(BODY)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root, to mount a small disk")
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine doesn't allow mounting")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_told_and_the_rest_comes_later(disk: Path, tmp_path: Path) -> None:
    upstream = tmp_path / "upstream"
    upstream.write_bytes(BODY)
    asset = Asset(upstream.as_uri())
    store = Store(disk / "store")
    with pytest.raises(StoreError, match="bakery gc") as caught:
        fetch(store, asset, settings=settings.load(tmp_path, {}))
    part = store.partials / asset.sha256
    assert f"({len(BODY) - part.stat().st_size} bytes) more are needed" in str(caught.value)
    assert str(disk) in str(caught.value)
    assert 0 < part.stat().st_size <= ROOM
    assert BODY.startswith(part.read_bytes())
    assert not store.has(asset.sha256)

    remount = ["mount", "-o", f"remount,size={8 * ROOM}", str(disk)]
    subprocess.run(remount, check=True)
    assert fetch(store, asset, settings=settings.load(tmp_path, {})).read_bytes() == BODY
    assert list(store.partials.iterdir()) == []
