from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from bakery.build.state import Ledger, LedgerError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "image.raw").write_bytes(b"bytes")
    return tmp_path


@pytest.fixture
def ledger(folder: Path) -> Ledger:
    ledger = Ledger(folder / "state")
    with ledger.alone("squash", "x") as work:
        ledger.finish(
            "squash", "x", key="k", work=work, folder=folder, files=["image.raw"], facts={"a": 1}
        )
    return Ledger(folder / "state")


def test_a_record_survives(ledger: Ledger) -> None:
    record = ledger.required("squash", "x")
    assert record.key == "k"
    assert record.facts == {"a": 1}


def test_nothing_but_records_and_locks_stays(ledger: Ledger) -> None:
    assert sorted(p.name for p in ledger.folder.rglob("*") if p.is_file()) == ["x", "x.json"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"key":1}'])
def test_a_damaged_record_counts_as_none(ledger: Ledger, folder: Path, damage: bytes) -> None:
    (ledger.folder / "squash/x.json").write_bytes(damage)
    assert ledger.record("squash", "x") is None
    assert not ledger.holds("squash", "x", "k", folder)
    with pytest.raises(LedgerError, match="doit squash:x"):
        ledger.required("squash", "x")


def test_it_holds_for_its_key_and_untouched_outputs_only(ledger: Ledger, folder: Path) -> None:
    assert ledger.holds("squash", "x", "k", folder)
    assert not ledger.holds("squash", "x", "other", folder)
    assert not ledger.holds("squash", "y", "k", folder)


@pytest.mark.parametrize("change", ["touch", "grow", "remove"])
def test_a_changed_output_is_noticed(ledger: Ledger, folder: Path, change: str) -> None:
    image = folder / "image.raw"
    mtime = image.stat().st_mtime_ns
    if change == "touch":
        os.utime(image, ns=(0, mtime + 1_000_000))
    elif change == "grow":
        image.write_bytes(b"more bytes")
        os.utime(image, ns=(mtime, mtime))
    else:
        image.unlink()
    assert not ledger.holds("squash", "x", "k", folder)


def test_who_waited_looks_again(ledger: Ledger, folder: Path) -> None:
    other = Ledger(ledger.folder)
    assert not ledger.holds("squash", "x", "new", folder)
    seen = []

    def wait() -> None:
        with ledger.alone("squash", "x"):
            seen.append(ledger.holds("squash", "x", "new", folder))

    with other.alone("squash", "x") as work:
        thread = threading.Thread(target=wait)
        thread.start()
        other.finish("squash", "x", key="new", work=work, folder=folder, files=["image.raw"])
    thread.join(timeout=30)
    assert seen == [True]


def test_scratch_goes_whatever_happens(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.alone("stage", "x") as work:
            (work.scratch / "half").mkdir()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not list((ledger.folder / "scratch").iterdir())


def test_a_failing_disk_is_explained(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.alone("stage", "x"):
            raise OSError(28, "No space left on device", "/some/where")

    with pytest.raises(LedgerError) as caught:
        fail()
    assert caught.value.render().startswith(
        "stage:x can't be written: No space left on device\n  where: /some/where"
    )


def test_leftovers_are_swept_but_not_those_of_the_living(ledger: Ledger) -> None:
    (ledger.folder / "scratch/squash@dead/half").mkdir(parents=True)
    with ledger.alone("stage", "alive") as work:
        Ledger(ledger.folder).sweep()
        assert work.scratch.is_dir()
    assert not list((ledger.folder / "scratch").iterdir())
