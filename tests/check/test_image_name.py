from __future__ import annotations

import pytest

from bakery.check import image_name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("docker.raw", "docker"),
        ("docker-20.10.13-x86-64.raw", "docker"),
        ("docker-flatcar-20.10.13-arm64.raw", "docker-flatcar"),
        ("kubernetes-v1.32.0-x86-64.raw", "kubernetes"),
        ("kubernetes-v1.32_1.32.1_x86-64.raw", "kubernetes-v1.32"),
        ("k3s_1.30.2+k3s1_arm64.raw", "k3s"),
        ("tools-arm64.raw", "tools"),
        ("folder", "folder"),
    ],
)
def test_the_names_a_host_may_see(file: str, name: str) -> None:
    assert name in image_name.candidates(file)


def test_a_word_is_no_version() -> None:
    assert image_name.candidates("docker-renamed.raw") == ("docker-renamed",)


@pytest.mark.parametrize(
    ("file", "arch"),
    [
        ("a-1-x86-64.raw", "x86-64"),
        ("a_1_arm64.raw", "arm64"),
        ("a-1-x86.raw", "x86"),
        ("a.raw", None),
    ],
)
def test_the_architecture_in_a_name(file: str, arch: str | None) -> None:
    assert image_name.architecture(file) == arch
