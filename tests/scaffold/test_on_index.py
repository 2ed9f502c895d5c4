from __future__ import annotations

from bakery.scaffold.on_index import _platforms


def test_a_wheel_that_fits_both_is_taken_by_musls_tag() -> None:
    wheel = "app-1.0-py3-none-manylinux2014_x86_64.musllinux_1_1_x86_64.whl"
    assert _platforms([wheel], "x86-64") == ["musllinux_1_1_x86_64"]
    assert _platforms([wheel], "arm64") == []


def test_musls_wheels_come_first_and_those_for_one_python_not_at_all() -> None:
    wheels = [
        "app-1.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "app-1.0-py3-none-musllinux_1_2_x86_64.whl",
        "app-1.0-py3-none-macosx_11_0_x86_64.whl",
        "app-1.0-py3-none-any.whl",
        "app-1.0-cp312-cp312-musllinux_1_1_x86_64.whl",
    ]
    assert _platforms(wheels, "x86-64") == ["musllinux_1_2_x86_64", "manylinux2014_x86_64"]
