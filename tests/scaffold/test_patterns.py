from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bakery.recipe.version import Version
from bakery.scaffold.patterns import glob, versioned, worded

if TYPE_CHECKING:
    from bakery.arch import Arch


@pytest.mark.parametrize(
    ("tag", "text", "expected"),
    [
        ("v1.2.3", "v1.2.3/app_1.2.3_linux", "{version}/app_{bare}_linux"),
        ("1.2.3", "1.2.3/app-v1.2.3", "{version}/app-v{version}"),
        ("1.2", "app-1.2.5-11.2", "app-1.2.5-11.2"),
        ("v1.32.1+k3s1", "download/v1.32.1%2Bk3s1/k3s", "download/{version}/k3s"),
        ("1.7.1", "jq-1.7.1/jq-linux", "jq-{version}/jq-linux"),
        ("1.0", "{odd}-1.0.tar.gz", "{{odd}}-{version}.tar.gz"),
    ],
)
def test_versions_become_placeholders(tag: str, text: str, expected: str) -> None:
    assert versioned(text, Version.parse(tag)) == expected


@pytest.mark.parametrize(
    ("one", "other", "template", "words"),
    [
        ("a_Linux_x86_64.tgz", "a_Linux_arm64.tgz", "a_Linux_{arch}.tgz", ("x86_64", "arm64")),
        ("a-64bit.zip", "a-ARM64.zip", "a-{arch}.zip", ("64bit", "ARM64")),
        ("k3s", "k3s-arm64", "k3s{arch}", ("", "-arm64")),
        ("ch-static", "ch-static-aarch64", "ch-static{arch}", ("", "-aarch64")),
        (
            "fd-x86_64-unknown-linux-musl.tar.gz",
            "fd-aarch64-unknown-linux-gnu.tar.gz",
            "fd-{arch}.tar.gz",
            ("x86_64-unknown-linux-musl", "aarch64-unknown-linux-gnu"),
        ),
        (
            "musllinux_1_1_x86_64",
            "musllinux_1_2_aarch64",
            "musllinux_1_{arch}",
            ("1_x86_64", "2_aarch64"),
        ),
    ],
)
def test_processors_become_a_placeholder(
    one: str, other: str, template: str, words: tuple[str, str]
) -> None:
    texts: dict[Arch, str] = {"x86-64": one, "arm64": other}
    found, by_arch = worded(texts)
    assert (found, tuple(by_arch.values())) == (template, words)
    assert {arch: template.replace("{arch}", word) for arch, word in by_arch.items()} == texts


def test_one_processor_needs_no_other() -> None:
    assert worded({"x86-64": "a-amd64"}) == ("a-{arch}", {"x86-64": "amd64"})
    assert worded({"x86-64": "app"}) == ("app", {"x86-64": "x86-64"})


def test_members_that_use_other_words_are_matched_by_a_star() -> None:
    paths: dict[Arch, str] = {"x86-64": "app-x86_64-linux/app", "arm64": "app-aarch64-linux/app"}
    assert glob(paths, {"x86-64": "amd64", "arm64": "arm64"}) == "app-*-linux/app"
    assert glob(paths, {"x86-64": "x86_64", "arm64": "aarch64"}) == "app-{arch}-linux/app"
