from __future__ import annotations

import errno
import os
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from bakery.store.errors import StoreError
from bakery.store.folder import SEAL_MTIME_NS, Store

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "ab" * 32


def put(store: Store, content: bytes = b"content") -> Path:
    store.partials.mkdir(parents=True, exist_ok=True)
    temporary = store.partials / "temporary"
    temporary.write_bytes(content)
    return store.adopt(temporary, DIGEST)


def test_an_empty_store_has_nothing(store: Store) -> None:
    assert not store.has(DIGEST)
    assert store.find(DIGEST) is None
    assert not store.root.exists()


def test_adopted_is_there_and_nowhere_else(store: Store) -> None:
    path = put(store)
    assert path == store.root / "sha256" / "ab" / DIGEST
    assert store.has(DIGEST)
    assert store.has(DIGEST, 7)
    assert not store.has(DIGEST, 8)
    assert list(store.partials.iterdir()) == []


def write(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"CONTENT")
    path.chmod(0o444)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o444)
    os.utime(path, ns=(0, SEAL_MTIME_NS))


@pytest.mark.parametrize(
    "harm",
    [
        write,
        replace_by_folder,
        lambda path: os.truncate(path, 3),
        lambda path: path.chmod(0o644),
        lambda path: path.unlink(),
    ],
)
def test_a_broken_seal_counts_as_not_there_and_heals(harm: object, store: Store) -> None:
    path = put(store)
    assert callable(harm)
    harm(path)
    assert not store.has(DIGEST)
    if not path.is_dir():
        put(store)
        assert store.has(DIGEST)
        assert path.read_bytes() == b"content"


def test_a_copy_with_times_keeps_the_seal(store: Store, tmp_path: Path) -> None:
    put(store)
    shutil.copytree(store.root, tmp_path / "copy", copy_function=shutil.copy2)
    assert Store(tmp_path / "copy").has(DIGEST, 7)


def test_finding_notes_the_use_and_asking_does_not(store: Store) -> None:
    path = put(store)
    os.utime(path, ns=(5, SEAL_MTIME_NS))
    store.has(DIGEST)
    assert path.stat().st_atime_ns == 5
    assert store.find(DIGEST) == path
    assert path.stat().st_atime_ns > SEAL_MTIME_NS
    assert store.has(DIGEST)


def test_a_lock_keeps_others_out(store: Store) -> None:
    refused = threading.Event()

    def other() -> None:
        try:
            with store.lock(DIGEST, timeout=0):
                pass
        except TimeoutError:
            refused.set()

    with store.lock(DIGEST):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert refused.is_set()
    with store.lock(DIGEST, timeout=0):
        pass


def test_a_full_disk_is_explained(store: Store) -> None:
    with pytest.raises(StoreError, match="bakery gc"), store.explained():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_store_that_is_no_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file")
    assert not store.has(DIGEST)
    with pytest.raises(StoreError, match="BAKERY_STORE"), store.explained(), store.lock(DIGEST):
        pass
