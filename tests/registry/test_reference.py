from __future__ import annotations

import pytest

from bakery.registry.reference import Reference, tag_of

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("oci://ghcr.io/owner/bakery", "https://ghcr.io/v2/owner/bakery"),
        (f"ghcr.io/owner/bakery:v1@{DIGEST}", "https://ghcr.io/v2/owner/bakery"),
        ("oci://127.0.0.1:5000/b", "http://127.0.0.1:5000/v2/b"),
        ("[::1]:5000/b", "http://[::1]:5000/v2/b"),
        ("localhost/a/b__c", "http://localhost/v2/a/b__c"),
        ("docker.io/me/bakery", "https://registry-1.docker.io/v2/me/bakery"),
        ("localhost.example/b", "https://localhost.example/v2/b"),
    ],
)
def test_a_reference_has_an_address(text: str, url: str) -> None:
    reference = Reference.parse(text)
    assert reference.url == reference.whole.url == url
    assert str(reference).removeprefix("oci://") == text.removeprefix("oci://")
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    [
        *("", "ghcr.io", "ghcr.io/", "ghcr.io/Owner/bakery", "https://ghcr.io/owner/bakery"),
        *("ghcr.io/a//b", "ghcr.io/a/../b", "user:secret@ghcr.io/a", "ghcr.io/a?x", "ghcr.io/a:"),
        *("[1.1]/a", "[:::]/a", "localhost:99999/a"),
        *("ghcr.io/a@sha256:0", f"ghcr.io/{'a' * 250}", "ghcr.io:port/a", "ghcr.io/a\n"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="HOST/PATH"):
        Reference.parse(text)


def test_a_name_becomes_a_tag_where_it_can() -> None:
    assert tag_of("k3s-v1.32.2+k3s1") == "k3s-v1.32.2_k3s1"
    for name in ("", ".draft", "a/b", "a:b", "a~b", "x" * 129, "ü", "a\n"):
        with pytest.raises(ValueError, match="128"):
            tag_of(name)
