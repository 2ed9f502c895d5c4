from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.recipe.load import load_all
from bakery.recipe.requests import requests
from bakery.recipe.version import Version

if TYPE_CHECKING:
    from recipe.conftest import Bakery


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
        request
        for arch in source.recipe.arch
        for request in requests(source, Version.parse("1.0"), arch, {})
    ]
    assert [request.url for request in found] == [
        "https://example.org/k3s",
        "https://example.org/k3s-arm64",
    ]
    assert [request.checksum for request in found] == [
        "https://example.org/sums-amd64.txt",
        "https://example.org/sums-arm64.txt",
    ]
    assert [request.checksum_proof and request.checksum_proof.url for request in found] == [
        "https://example.org/sums-amd64.txt.asc",
        "https://example.org/sums-arm64.txt.asc",
    ]
