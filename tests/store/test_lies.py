"""Servers that send other bytes than they should: never are they taken."""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from harness.upstream import BODY, HALF, OTHER, Upstream, assert_clean

from bakery.store.errors import DownloadError, WrongBytesError

if TYPE_CHECKING:
    from bakery.store.folder import Store

Get = Any  # a fixture; a Protocol would say no more
PAGE = b"<!DOCTYPE html><title>Please log in</title>"


@pytest.mark.parametrize("sized", [True, False])
def test_other_bytes_are_an_alarm(
    get: Get, upstream: Upstream, store: Store, slept: list[float], *, sized: bool
) -> None:
    asset = upstream.asset(BODY, upstream.whole(OTHER), sized=sized)
    with pytest.raises(WrongBytesError, match="alarm") as caught:
        get(asset)
    for told in (asset.url, asset.sha256, hashlib.sha256(OTHER).hexdigest()):
        assert told in str(caught.value)
    assert "\\x" not in str(caught.value)
    assert slept == []
    assert len(upstream.requests) == 1
    assert_clean(store)


@pytest.mark.parametrize("sized", [True, False])
def test_a_web_page_is_shown(get: Get, upstream: Upstream, store: Store, *, sized: bool) -> None:
    page = upstream.status(200, PAGE, Content_Type="text/html; charset=utf-8")
    with pytest.raises(WrongBytesError, match="text/html") as caught:
        get(upstream.asset(BODY, page, sized=sized))
    assert "Please log in" in str(caught.value)
    assert_clean(store)


def test_a_chunked_web_page_is_no_cut_connection(get: Get, upstream: Upstream) -> None:
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(PAGE), PAGE)
    page = upstream.raw(200, {"Transfer-Encoding": "chunked"}, chunked)
    with pytest.raises(WrongBytesError, match="Please log in"):
        get(upstream.asset(BODY, page))


def test_coding_on_the_fly_is_told(get: Get, upstream: Upstream) -> None:
    packed = upstream.whole(gzip.compress(BODY), Content_Encoding="gzip")
    with pytest.raises(WrongBytesError, match="coded as gzip"):
        get(upstream.asset(BODY, packed))


def test_control_characters_stay_out_of_messages(get: Get, upstream: Upstream) -> None:
    with pytest.raises(WrongBytesError) as caught:
        get(upstream.asset(BODY, upstream.whole(b"\x1b[2Jgone")))
    assert "\x1b" not in str(caught.value)


def test_a_length_that_is_too_short(get: Get, upstream: Upstream, store: Store) -> None:
    lie = upstream.raw(200, {"Content-Length": HALF}, BODY)
    with pytest.raises(WrongBytesError, match=f"received: {HALF} bytes"):
        get(upstream.asset(BODY, lie))
    assert_clean(store)


def test_a_length_that_is_too_long(get: Get, upstream: Upstream, store: Store) -> None:
    lie = upstream.raw(200, {"Content-Length": len(BODY) * 2}, BODY)
    with pytest.raises(WrongBytesError, match=f"received: {len(BODY) * 2} bytes"):
        get(upstream.asset(BODY, lie))
    assert_clean(store)


def test_a_length_that_is_too_long_without_a_locked_size(
    get: Get, upstream: Upstream, store: Store
) -> None:
    lie = upstream.raw(200, {"Content-Length": len(BODY) * 2}, BODY)
    with pytest.raises(DownloadError, match="after 6 tries"):
        get(upstream.asset(BODY, lie, sized=False))
    assert not list(store.root.glob("sha256/*/*"))


def test_an_endless_body_is_cut_off(get: Get, upstream: Upstream, store: Store) -> None:
    def endless(handler: Any) -> None:
        handler.answer(200, {})
        for _ in range(10_000):  # until the client hangs up, which raises here
            handler.wfile.write(BODY)

    with pytest.raises(WrongBytesError, match=f"more than {len(BODY)} bytes"):
        get(upstream.asset(BODY, endless))
    assert_clean(store)


def test_redirects_in_a_circle(get: Get, upstream: Upstream) -> None:
    with pytest.raises(DownloadError, match="in a circle"):
        get(upstream.asset(BODY, upstream.status(302, Location="/a.tgz")))


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://host/a?token=secret", "http://token:secret@[bad"]
)
def test_redirects_off_the_web(get: Get, upstream: Upstream, target: str) -> None:
    with pytest.raises(DownloadError, match="redirects from http to") as caught:
        get(upstream.asset(BODY, upstream.status(302, Location=target)))
    assert "secret" not in str(caught.value)


def test_a_bundle_of_certificates_that_is_missing(
    get: Get, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle")
    asset = type(upstream.asset(BODY))(f"{upstream.url}/a.tgz".replace("http", "https"), "ab" * 32)
    with pytest.raises(DownloadError, match="/no/such/bundle"):
        get(asset)
