from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from bakery.store.errors import StoreError
from bakery.store.folder import SEAL_MTIME_NS, Store
from bakery.store.gc import PARTIAL_AGE, _blobs, _remove, collect

if TYPE_CHECKING:
    from pathlib import Path

OLD, MIDDLE, NEW = ("0a" * 32, "0b" * 32, "0c" * 32)


@pytest.fixture
def filled(store: Store) -> Store:
    """Return a store with three blobs of 100 bytes, used in this order."""
    store.partials.mkdir(parents=True)
    for used, digest in enumerate((OLD, MIDDLE, NEW)):
        temporary = store.partials / digest
        temporary.write_bytes(bytes(100))
        os.utime(store.adopt(temporary, digest), ns=(used, SEAL_MTIME_NS))
    return store


def there(store: Store) -> set[str]:
    return {digest for digest in (OLD, MIDDLE, NEW) if store.has(digest)}


def partial(store: Store, *, age: float) -> Path:
    path = store.partials / ("dd" * 32)
    path.write_bytes(bytes(40))
    path.with_name(f"{path.name}.json").write_bytes(b"{}")
    os.utime(path, (time.time() - age,) * 2)
    return path


@pytest.mark.parametrize(
    ("limit", "keep", "left"),
    [
        (300, set(), {OLD, MIDDLE, NEW}),
        (299, set(), {MIDDLE, NEW}),
        (100, set(), {NEW}),
        (0, set(), set()),
        (100, {OLD}, {OLD}),
        (0, {OLD, NEW}, {OLD, NEW}),
    ],
)
def test_least_recently_used_go_first(
    filled: Store, limit: int, keep: set[str], left: set[str]
) -> None:
    collected = collect(filled, limit, keep)
    assert there(filled) == left
    assert {blob.sha256 for blob in collected.blobs} == {OLD, MIDDLE, NEW} - left
    assert collected.left == 100 * len(left)
    assert collected.freed == 300 - collected.left


def test_a_dry_run_tells_the_same_and_does_nothing(filled: Store) -> None:
    path = partial(filled, age=PARTIAL_AGE + 60)
    told = collect(filled, 100, set(), dry_run=True)
    assert there(filled) == {OLD, MIDDLE, NEW}
    assert path.exists()
    assert collect(filled, 100, set()) == told


def test_broken_blobs_go_even_if_kept(filled: Store) -> None:
    os.truncate(filled.path(NEW), 10)
    assert [blob.sha256 for blob in collect(filled, 1000, {NEW}).blobs] == [NEW]
    assert not filled.path(NEW).exists()


def test_abandoned_downloads_go(filled: Store) -> None:
    partial(filled, age=PARTIAL_AGE + 60)
    assert collect(filled, 1000, set()).partials == 1
    assert list(filled.partials.iterdir()) == []


def test_recent_and_running_downloads_stay(filled: Store) -> None:
    path = partial(filled, age=PARTIAL_AGE - 60)
    assert collect(filled, 1000, set()).partials == 0
    partial(filled, age=PARTIAL_AGE + 60)
    with filled.lock(path.name):
        thread = threading.Thread(target=collect, args=(filled, 1000, set()))
        thread.start()
        thread.join()
    assert path.exists()


def test_what_is_used_meanwhile_stays(filled: Store) -> None:
    before = next(blob for blob in _blobs(filled) if blob.path.name == OLD)
    filled.find(OLD)
    assert not _remove(before)
    assert filled.has(OLD)


def test_an_empty_store_is_fine(store: Store) -> None:
    assert collect(store, 0, set()).freed == 0


def test_a_store_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(StoreError, match="the store is no folder"):
        collect(Store(tmp_path / "store"), 0, set())
