from __future__ import annotations

import pytest

from bakery.http import address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://host/a/b.tgz", "http://m:8/root/host/a/b.tgz"),
        ("https://host:8443/a?x=1&y", "http://m:8/root/host:8443/a?x=1&y"),
        ("https://user:word@host/a", "http://m:8/root/host/a"),
        ("http://host/a%2Fb+c#part", "http://m:8/root/host/a%2Fb+c"),
    ],
)
def test_mirrored(url: str, expected: str) -> None:
    assert address.mirrored(url, "http://m:8/root") == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://host/a.tgz", "https://host/a.tgz"),
        ("https://user:word@host:1/a", "https://host:1/a"),
        ("https://host/a?token=secret&plain&sig=x=y#f", "https://host/a?token=…&…&sig=…"),
        ("pypi:uv#x86-64", "pypi:uv"),
        ("http://user:word@[bad/a", "[bad/a"),
        ("http://host/\x1b[2J\u202e\u2028", r"http://host/\x1b[2J\u202e\u2028"),
    ],
)
def test_shown_holds_no_secret(url: str, expected: str) -> None:
    assert address.shown(url) == expected


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://host/d/a%2B1.tgz?x", "a+1.tgz"),
        ("https://host/", "https://host/"),
        ("https://host/a%1b[2J%0Ab%e2%80%ae%C2%9B", r"a\x1b[2J\nb\u202e\x9b"),
        ("pypi:uv", "uv"),
    ],
)
def test_file_name(url: str, name: str) -> None:
    assert address.file_name(url) == name
