from __future__ import annotations

import os
from pathlib import Path

import pytest

from bakery import records
from bakery.records import Record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "image.raw").write_bytes(b"bytes")
    return tmp_path


def recorded(folder: Path) -> Record:
    return Record(key="k", outputs=(records.output(folder, "image.raw"),), seconds=1.5)


def test_a_record_survives_writing_and_reading(folder: Path) -> None:
    records.write(folder / "state" / "x.json", recorded(folder))
    assert records.read(folder / "state" / "x.json") == recorded(folder)


def test_nothing_but_the_record_stays_beside_it(folder: Path) -> None:
    records.write(folder / "state" / "x.json", recorded(folder))
    assert os.listdir(folder / "state") == ["x.json"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"key":1}'])
def test_a_damaged_record_counts_as_none(folder: Path, damage: bytes) -> None:
    (folder / "x.json").write_bytes(damage)
    assert records.read(folder / "x.json") is None


def test_it_holds_for_its_key_and_untouched_outputs_only(folder: Path) -> None:
    record = recorded(folder)
    assert records.holds(record, "k", folder)
    assert not records.holds(record, "other", folder)
    assert not records.holds(None, "k", folder)


@pytest.mark.parametrize("change", ["touch", "grow", "remove"])
def test_a_changed_output_is_noticed(folder: Path, change: str) -> None:
    record = recorded(folder)
    image = folder / "image.raw"
    if change == "touch":
        os.utime(image, ns=(0, image.stat().st_mtime_ns + 1_000_000))
    elif change == "grow":
        mtime = image.stat().st_mtime_ns
        image.write_bytes(b"more bytes")
        os.utime(image, ns=(mtime, mtime))
    else:
        image.unlink()
    assert not records.holds(record, "k", folder)
