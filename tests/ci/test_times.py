"""Times: read from records whatever lies there, and expected where nobody has measured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from harness.repository import Repository

from bakery.build.steps import fetch
from bakery.ci import times
from bakery.ci.times import Expected, TimesError

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.recipe.plan import Image


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Image]:
    return {image.id: image for image in Repository(tmp_path).images}


def record(folder: Path, kind: str, name: str, text: str) -> None:
    path = folder / ".bakery" / kind / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def taking(seconds: float) -> str:
    return json.dumps({"key": "k", "outputs": [], "seconds": seconds, "facts": {}})


def test_times_are_those_on_record_and_nonsense_is_passed_over(tmp_path: Path) -> None:
    built, booted = tmp_path / "built", tmp_path / "booted"
    record(built, "squash", "a-1.0-x86-64", taking(2.5))
    record(built, "squash", "a-1.0-x86-64.old", "no json")
    record(built, "stage", "b", taking(-1))
    record(built, "stage", "c", taking(times.LONGEST + 1))
    record(built, "stage", "d", '{"seconds": "long"}')
    record(built, "publish", "e", taking(1))
    record(booted, "boot", "a-1.0-x86-64", taking(7))
    assert times.measured([built, booted, tmp_path / "missing"]) == {
        "squash:a-1.0-x86-64": 2.5,
        "boot:a-1.0-x86-64": 7.0,
    }


def test_times_are_written_and_read_and_only_those_of_the_catalogue_stay(
    images: dict[str, Image],
) -> None:
    image = images["base-2.0-arm64"]
    asset = f"fetch:{fetch.name(image.contents.assets[0])}"
    known = {f"boot:{image.id}": 3.5, asset: 1.0, "boot:gone-1.0-arm64": 9.0}
    kept = times.of_catalogue(known, images.values())
    assert times.decode(times.encode(kept)) == {f"boot:{image.id}": 3.5, asset: 1.0}


@pytest.mark.parametrize("text", [b"", b"[]", b'{"boot:a": "x"}', b'{"boot:a": null}', b"\xff"])
def test_what_are_no_times_is_said(text: bytes) -> None:
    with pytest.raises(TimesError, match="can't be read"):
        times.decode(text)


def test_times_that_can_not_be_are_left_out() -> None:
    assert times.decode(b'{"boot:a": -5, "boot:b": 1e300, "boot:c": 2}') == {"boot:c": 2.0}


def test_what_took_long_before_is_expected_to_again(images: dict[str, Image]) -> None:
    image = images["other-1.0-arm64"]
    known = {f"{kind}:{image.id}": 100.0 for kind in ("stage", "squash", "check")}
    expected = Expected({**known, f"boot:{image.id}": 1234.5}, images.values())
    assert expected.build(image) == 300.0
    assert expected.boot(image) == 1234.5


def test_another_version_is_expected_to_take_as_long(images: dict[str, Image]) -> None:
    expected = Expected({"boot:other-1.0-arm64": 1234.5}, images.values())
    assert expected.boot(images["other-2.0-arm64"]) == 1234.5


def test_other_recipes_are_expected_to_take_as_long_for_as_many_bytes(
    images: dict[str, Image],
) -> None:
    usual = Expected({}, images.values())
    image, like = images["base-1.0-x86-64"], images["other-1.0-x86-64"]
    slow = Expected({f"squash:{like.id}": 10_000.0}, images.values())
    assert slow._step("squash", image) == pytest.approx(10_000.0)
    assert usual._step("squash", image) < 1000
    assert slow._step("boot", image) == usual._step("boot", image)


def test_a_line_is_fitted_to_what_was_measured(images: dict[str, Image]) -> None:
    def at(image: Image) -> float:
        return 7.0 + times.size(image) / 1e6

    known = {f"squash:{i.id}": at(i) for i in images.values() if i.contents.name != "top"}
    expected = Expected(known, images.values())
    for name in ("top-2.0-arm64", "top-2.0-x86-64"):
        assert expected._step("squash", images[name]) == pytest.approx(at(images[name]))


def test_more_bytes_never_take_less_time_whatever_was_measured(images: dict[str, Image]) -> None:
    """Small images that took long, and large ones that did not, give no line that falls."""
    known = {
        f"squash:{image.id}": 100.0 if image.id.endswith("arm64") else 1.0
        for image in images.values()
        if image.contents.name != "top"
    }
    expected = Expected(known, images.values())
    small, large = (expected._step("squash", images[f"top-1.0-{a}"]) for a in ("arm64", "x86-64"))
    assert 0 < small < large


def test_an_asset_is_expected_by_its_size(images: dict[str, Image]) -> None:
    large, small = (images[f"base-1.0-{arch}"].contents.assets[0] for arch in ("x86-64", "arm64"))
    expected = Expected({f"fetch:{fetch.name(large)}": 400.0}, images.values())
    assert expected.fetch(large) == 400.0
    assert 0 < expected.fetch(small) < 400.0
