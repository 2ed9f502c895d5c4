from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness.upstream import BODY, HALF, OTHER

from bakery.http.client import pages
from bakery.http.credentials import Token
from bakery.http.errors import (
    RateLimitedError,
    RefusedError,
    RequestError,
    TooLargeError,
    TransientError,
)
from bakery.http.limits import Limits

if TYPE_CHECKING:
    from harness.upstream import Upstream

    from bakery.http.client import Client

MANY = "9" * 5000


def copied(client: Client, url: str, **options: Any) -> bytes:
    data = bytearray()
    client.copy(url, data.extend, **options)
    return bytes(data)


def elsewhere(url: str) -> str:
    """Return the address of the same server under another name."""
    return url.replace("127.0.0.1", "localhost")


@pytest.mark.parametrize("etag", ['"one"', None])
def test_a_copy_goes_on_where_it_was_cut(client: Client, upstream: Upstream, etag: Any) -> None:
    cut = upstream.whole(BODY, upto=HALF, etag=etag)
    assert copied(client, upstream.offer("/a", cut, upstream.whole(BODY, etag=etag))) == BODY
    assert upstream.ranges == [None, f"bytes={HALF}-" if etag else None]


def test_what_can_not_be_continued_is_read_anew(client: Client, upstream: Upstream) -> None:
    cut = upstream.whole(BODY, upto=HALF)
    url = upstream.offer("/a", cut, upstream.status(416), upstream.whole(BODY))
    assert copied(client, url) == BODY


def test_a_copy_of_a_file_on_disk(client: Client, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(BODY)
    url = (tmp_path / "a").as_uri()
    assert copied(client, url) == BODY
    with pytest.raises(TooLargeError):
        copied(client, url, size=len(BODY) - 1)


def test_a_copy_ends_at_its_limit(client: Client, upstream: Upstream) -> None:
    assert copied(client, upstream.offer("/a", upstream.whole(BODY)), size=len(BODY)) == BODY
    with pytest.raises(TooLargeError):
        copied(client, upstream.offer("/a", upstream.whole(BODY)), size=len(BODY) - 1)


def endless(handler: Any) -> None:
    handler.answer(200, {})
    for _ in range(10_000):  # until the client hangs up, which raises here
        handler.wfile.write(BODY)


def test_nothing_is_read_without_end(client: Client, upstream: Upstream) -> None:
    url = upstream.offer("/a", endless)
    with pytest.raises(TooLargeError):
        copied(client, url, size=3 * len(BODY))
    with pytest.raises(TooLargeError):
        client.request("GET", url, size=3 * len(BODY))
    assert len(upstream.requests) == 2


def test_a_redirect_without_end_is_not_read_either(client: Client, upstream: Upstream) -> None:
    def behave(handler: Any) -> None:
        handler.answer(302, {"Location": "/b"})
        for _ in range(10_000):
            handler.wfile.write(BODY)

    with pytest.raises(TooLargeError):
        client.request("GET", upstream.offer("/a", behave), size=3 * len(BODY))


@pytest.mark.parametrize("speed", [1, 1 << 40])
def test_the_least_speed(client: Client, upstream: Upstream, speed: int) -> None:
    ticks = count(step=7.0)  # seconds that each look at the clock takes
    limits = Limits(least_speed=speed, window=20, clock=lambda: next(ticks))
    url = upstream.offer("/a", upstream.whole(BODY * 40))
    slow = replace(client, limits=limits)
    if speed == 1:
        assert copied(slow, url) == BODY * 40
        return
    with pytest.raises(TransientError, match="came in 21 seconds"):
        copied(slow, url)
    with pytest.raises(TransientError, match="came in 21 seconds"):
        slow.request("GET", url)


def test_a_head_without_end(client: Client, upstream: Upstream) -> None:
    def crawling(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        handler.connection.settimeout(0.01)
        while True:
            handler.wfile.write(b"x")
            with suppress(TimeoutError):
                if not handler.connection.recv(1):
                    return

    hasty = replace(client, limits=Limits(stall=0.2))
    url = upstream.offer("/a", crawling)
    with pytest.raises(TransientError, match=r"nothing came in time \(after 3 tries\)"):
        hasty.request("GET", url)


@pytest.mark.parametrize("size", [MANY, "-1", "\u0661", "0x10", "1,1"])
def test_lengths_that_are_none(client: Client, upstream: Upstream, size: str) -> None:
    raw = upstream.raw(200, {"Content-Length": size.encode().decode("latin-1")}, BODY)
    with client.stream(upstream.offer("/a", raw)) as answer:
        assert answer.total is None


@pytest.mark.parametrize("header", [f"bytes {MANY}-{MANY}/{MANY}", f"bytes {HALF}-9/{MANY}", "x"])
def test_ranges_that_are_none(client: Client, upstream: Upstream, header: str) -> None:
    cut = upstream.whole(BODY, upto=HALF)
    odd = upstream.raw(206, {"Content-Range": header, "ETag": '"one"'}, OTHER)
    assert copied(client, upstream.offer("/a", cut, odd, upstream.whole(BODY))) == BODY


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_passes_is_asked_again(client: Client, upstream: Upstream, status: int) -> None:
    url = upstream.offer("/a", upstream.status(status), upstream.whole(BODY))
    assert client.request("GET", url).content == BODY


def test_a_change_is_asked_for_once(client: Client, upstream: Upstream, waits: list[float]) -> None:
    with pytest.raises(TransientError):
        client.request("POST", upstream.offer("/a", upstream.status(503)))
    assert waits == []


def test_nobody_waits_for_hours(client: Client, upstream: Upstream, waits: list[float]) -> None:
    url = upstream.offer("/a", upstream.status(429, Retry_After=3600))
    for ask in (partial(client.request, "GET"), client.read):
        with pytest.raises(RateLimitedError, match="again in 60 minutes"):
            ask(url)
    assert waits == []


def test_a_refusal_tells_what_the_api_says(client: Client, upstream: Upstream) -> None:
    body = b'{"message": "Validation\\u001b Failed", "errors": [{"code": "already_exists"}]}'
    with pytest.raises(RefusedError) as caught:
        client.request("GET", upstream.offer("/a", upstream.status(422, body)))
    assert str(caught.value) == r"HTTP 422 Validation\x1b Failed, already_exists"
    assert caught.value.codes == ("already_exists",)


@pytest.mark.parametrize("body", [b"[]", b"3", b'{"message": []}', b"[" * 10_000, MANY.encode()])
def test_a_refusal_in_another_form(client: Client, upstream: Upstream, body: bytes) -> None:
    with pytest.raises(RefusedError, match="HTTP 422"):
        client.request("GET", upstream.offer("/a", upstream.status(422, body)))


# Credentials


def asked_by(upstream: Upstream) -> list[str | None]:
    return [headers["Authorization"] for _, headers in upstream.requests]


def test_a_token_is_told_to_its_server_alone(client: Client, upstream: Upstream) -> None:
    url = upstream.offer("/a", upstream.whole(BODY))
    token = Token(value="secret", variable="X", api=url)
    client.request("GET", url, token=token)
    client.request("GET", elsewhere(url), token=token)
    client.copy(elsewhere(url), len, token=token)
    assert asked_by(upstream) == ["Bearer secret", None, None]


@pytest.mark.parametrize("value", ["a b", "a\nHost: b", "secret\n", "ä"])
def test_what_is_no_token_is_told_nobody(client: Client, upstream: Upstream, value: str) -> None:
    url = upstream.offer("/a", upstream.whole(BODY))
    with pytest.raises(RefusedError, match="what X gives is no token") as caught:
        client.request("GET", url, token=Token(value=value, variable="X", api=url))
    assert value not in str(caught.value)
    client.request("GET", url, token=Token(value=None, variable="X", api=url))
    assert asked_by(upstream) == [None]


def test_a_redirect_takes_no_token_along(client: Client, upstream: Upstream) -> None:
    there = upstream.offer("/b", upstream.whole(BODY))
    url = upstream.offer("/a", upstream.status(302, Location=elsewhere(there)))
    client.request("GET", url, token=Token(value="secret", variable="X", api=url))
    assert asked_by(upstream) == ["Bearer secret", None]


def test_a_login_in_an_address_is_not_part_of_it(client: Client, upstream: Upstream) -> None:
    there = elsewhere(upstream.offer("/b", upstream.whole(BODY)))
    url = upstream.offer("/a", upstream.status(302, Location=there))
    response = client.request("GET", url.replace("//", "//me:p%40ss@"))
    assert asked_by(upstream) == ["Basic bWU6cEBzcw==", None]
    assert "me" not in response.history[0].url.replace("http", "")


def test_no_cookie_is_kept(client: Client, upstream: Upstream) -> None:
    url = upstream.offer("/a", upstream.whole(BODY, Set_Cookie="a=b"))
    client.request("GET", url)
    client.request("GET", url)
    assert upstream.requests[1][1]["Cookie"] is None


# Pages


def linked(upstream: Upstream, path: str, following: str) -> str:
    link = f'<{following}>; rel="next"'
    return upstream.offer(path, upstream.status(200, b"[]", Link=link))


def test_pages_in_a_circle(client: Client, upstream: Upstream) -> None:
    url = linked(upstream, "/a", "/b")
    linked(upstream, "/b", "/a")
    with pytest.raises(RefusedError, match="2 pages"):
        list(pages(partial(client.request, "GET"), url))


def test_pages_without_end(client: Client, upstream: Upstream) -> None:
    for number in range(200):
        linked(upstream, f"/{number}", f"/{number + 1}")
    with pytest.raises(RefusedError, match="100 pages"):
        list(pages(partial(client.request, "GET"), f"{upstream.url}/0"))


@pytest.mark.parametrize("url", ["ftp://host/a", "a", "http://[", "file://host/a", "file:///%00"])
def test_addresses_that_are_none(client: Client, url: str) -> None:
    with pytest.raises(RequestError):
        client.read(url)


def test_what_is_no_file_on_a_disk_is_not_waited_for(client: Client, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(RefusedError):
            client.read(path.as_uri())
