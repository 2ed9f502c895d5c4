from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness.shop import Shop

from bakery.publish.model import PublishError
from bakery.publish.release_folder import presented

if TYPE_CHECKING:
    from pathlib import Path


WAIVED = {"BAKERY_BOOT_WAIVER": "x86-64: no machine for it; arm64: no machine for it"}
IMAGE = "tool-v1.1.0-arm64.raw"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def waived(shop: Shop) -> Path:
    return shop.publish(shop.assembled("v1.1.0", **WAIVED), "v1.1.0")


def test_images_come_first_and_the_index_last(waived: Path) -> None:
    desired = presented(waived)
    names = [file.name for file in desired.files]
    assert desired.tag == "tool-v1.1.0"
    assert desired.notes == (waived / "notes.md").read_text()
    assert [name.endswith(".raw") for name in names] == [True, True, *[False] * (len(names) - 2)]
    assert names[-2:] == ["release.json", "SHA256SUMS"]
    assert set(names) == {path.name for path in waived.iterdir()}


def test_an_image_that_has_not_booted_is_refused(shop: Shop) -> None:
    folder = shop.publish(shop.assembled("v1.1.0"), "v1.1.0")
    with pytest.raises(PublishError) as caught:
        presented(folder)
    assert "doit boot:tool-v1.1.0-" in str(caught.value)
    assert "BAKERY_BOOT_WAIVER='x86-64: REASON'" in str(caught.value)


def test_a_waiver_for_one_architecture_leaves_the_other_demanded(shop: Shop) -> None:
    waiver = {"BAKERY_BOOT_WAIVER": "arm64: no such machine"}
    folder = shop.publish(shop.assembled("v1.1.0", **waiver), "v1.1.0")
    with pytest.raises(PublishError, match=r"tool-v1\.1\.0-x86-64\.raw has passed no boot"):
        presented(folder)


def test_bytes_that_are_not_those_on_record_are_refused(waived: Path) -> None:
    (waived / IMAGE).write_bytes(b"other bytes")
    with pytest.raises(PublishError, match="has changed since it was built"):
        presented(waived)
    (waived / IMAGE).unlink()
    with pytest.raises(PublishError, match="is missing"):
        presented(waived)


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="is no finished release"):
        presented(tmp_path / "nothing")
