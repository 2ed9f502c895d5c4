from __future__ import annotations

from typing import get_args

import pytest

from bakery.arch import ARCHITECTURES, SYSTEMD, Arch, systemd_name


def test_every_architecture_has_its_names() -> None:
    assert tuple(ARCHITECTURES) == get_args(Arch)
    assert ARCHITECTURES.keys() <= SYSTEMD


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x86_64", "x86-64"),
        ("amd64", "x86-64"),
        ("aarch64", "arm64"),
        ("i686", "x86"),
        ("m88k", None),
    ],
)
def test_what_others_call_an_architecture(name: str, expected: str | None) -> None:
    assert systemd_name(name) == expected
