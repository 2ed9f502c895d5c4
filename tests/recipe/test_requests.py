from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.recipe.load import load_all
from bakery.recipe.requests import wanted
from bakery.recipe.version import Version

if TYPE_CHECKING:
    from conftest import Bakery


def test_a_checksum_may_have_its_own_words_for_architectures(bakery: Bakery) -> None:
    bakery.recipe(
        """\
assets:
  - url: https://example.org/k3s{arch}
    arch: {x86-64: "", arm64: -arm64}
    checksum:
      url: https://example.org/sums-{arch}.txt
      arch: {x86-64: amd64, arm64: arm64}
      signature: {gpg: "{url}.asc", key: ./key.asc}
    install: usr/bin/k3s
"""
    )
    bakery.add("app/key.asc", "")
    (source,) = load_all(bakery.folder).values()
    found = [
        want
        for arch in source.recipe.arch
        for want in wanted(source, Version.parse("1.0"), arch, {})
    ]
    assert [want.url for want in found] == [
        "https://example.org/k3s",
        "https://example.org/k3s-arm64",
    ]
    assert [want.checksum for want in found] == [
        "https://example.org/sums-amd64.txt",
        "https://example.org/sums-arm64.txt",
    ]
    assert [want.checksum_proof and want.checksum_proof.url for want in found] == [
        "https://example.org/sums-amd64.txt.asc",
        "https://example.org/sums-arm64.txt.asc",
    ]
