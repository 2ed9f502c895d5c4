"""Servers that fail: recovery where that can be, or a clear error."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from harness.processes import free_port
from harness.upstream import BODY, HALF, Upstream, assert_clean

from bakery.http.limits import Limits
from bakery.store.errors import DownloadError

if TYPE_CHECKING:
    import threading

    from bakery.http.client import Client
    from bakery.store.folder import Store

Get = Any  # a fixture; a Protocol would say no more


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_passing_failures_are_tried_again(
    get: Get, upstream: Upstream, slept: list[float], code: int
) -> None:
    failure = upstream.status(code)
    get(upstream.asset(BODY, failure, failure, upstream.whole(BODY)))
    assert slept == [1.0, 2.0]


@pytest.mark.parametrize("code", [429, 503, 403])
def test_retry_after_is_honoured(
    get: Get, upstream: Upstream, slept: list[float], code: int
) -> None:
    get(upstream.asset(BODY, upstream.status(code, Retry_After=17), upstream.whole(BODY)))
    assert slept == [17.0]


@pytest.mark.parametrize("code", [204, 304, 400, 401, 403, 404, 407, 410, 451])
def test_lasting_failures_are_not(
    get: Get, upstream: Upstream, store: Store, slept: list[float], code: int
) -> None:
    with pytest.raises(DownloadError, match=f"HTTP {code}"):
        get(upstream.asset(BODY, upstream.status(code)))
    assert slept == []
    assert_clean(store)


def test_tries_end(get: Get, upstream: Upstream, store: Store, slept: list[float]) -> None:
    with pytest.raises(DownloadError, match=r"HTTP 503 .*\(after 6 tries\)") as caught:
        get(upstream.asset(BODY, upstream.status(503)))
    assert "run again" in str(caught.value)
    assert slept == [1, 2, 4, 8, 16]
    assert_clean(store)


def test_a_cut_connection_is_resumed(get: Get, upstream: Upstream, progress: Any) -> None:
    asset = upstream.asset(BODY, upstream.whole(BODY, upto=HALF), upstream.whole(BODY))
    assert get(asset, progress=progress).read_bytes() == BODY
    assert upstream.ranges == [None, f"bytes={HALF}-"]
    assert upstream.requests[1][1]["If-Range"] == '"one"'
    assert (progress.total, progress.done) == (len(BODY), len(BODY))


def test_headway_renews_the_tries(get: Get, upstream: Upstream) -> None:
    body = BODY * 40
    cuts = [upstream.whole(body, upto=upto << 20) for upto in range(1, 10)]
    assert get(upstream.asset(body, *cuts, upstream.whole(body))).read_bytes() == body


def test_always_cut_at_the_same_place(get: Get, upstream: Upstream, store: Store) -> None:
    with pytest.raises(DownloadError, match="after 6 tries"):
        get(upstream.asset(BODY, upstream.whole(BODY, etag=None, upto=HALF)))
    assert not list(store.root.glob("sha256/*/*"))


def test_a_stall_is_noticed_and_resumed(
    get: Get, upstream: Upstream, gate: threading.Event, client: Client
) -> None:
    hasty = replace(client, limits=Limits(stall=0.3))
    asset = upstream.asset(BODY, upstream.stalling(BODY, HALF, gate), upstream.whole(BODY))
    assert get(asset, client=hasty).read_bytes() == BODY
    assert f"bytes={HALF}-" in upstream.ranges


def test_a_refused_connection(get: Get, upstream: Upstream, slept: list[float]) -> None:
    with free_port() as port, pytest.raises(DownloadError, match="Connection refused"):
        get(replace(upstream.asset(BODY), url=f"http://127.0.0.1:{port}/a.tgz"))
    assert len(slept) == 5


def test_an_unknown_host_is_told_at_once(get: Get, upstream: Upstream, slept: list[float]) -> None:
    asset = type(upstream.asset(BODY))("http://me:word@host.invalid/a?token=secret", "ab" * 32)
    with pytest.raises(DownloadError, match="can't be resolved") as caught:
        get(asset)
    assert len(slept) in (0, 5)  # a machine without any network is told to ask again
    assert "word" not in str(caught.value)
    assert "secret" not in str(caught.value)
