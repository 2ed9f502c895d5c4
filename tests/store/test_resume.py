"""Downloads that go on where they were cut, and when they must not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness.upstream import BODY, HALF, OTHER, Upstream

from bakery.http.client import Client
from bakery.http.retry import RetryPolicy
from bakery.store.errors import DownloadError

if TYPE_CHECKING:
    from bakery.store.folder import Store

Get = Any  # a fixture; a Protocol would say no more


def test_the_second_run_goes_on(get: Get, upstream: Upstream) -> None:
    asset = upstream.asset(BODY, upstream.whole(BODY, upto=HALF), upstream.whole(BODY))
    once = Client(retry=RetryPolicy(tries=1))
    with pytest.raises(DownloadError):
        get(asset, client=once)
    assert get(asset, client=once).read_bytes() == BODY
    assert upstream.ranges == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_validator_it_starts_over(get: Get, upstream: Upstream, etag: str) -> None:
    asset = upstream.asset(BODY, upstream.whole(BODY, etag=etag, upto=HALF), upstream.whole(BODY))
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None, None]


@pytest.mark.parametrize(
    ("modified", "again"),
    [("Tue, 14 Nov 2023 22:13:20 GMT", f"bytes={HALF}-"), ("Tue, 14 Nov 2099 22:13:20 GMT", None)],
)
def test_an_old_date_is_a_validator(
    get: Get, upstream: Upstream, modified: str, again: str
) -> None:
    cut = upstream.whole(BODY, etag=None, upto=HALF, Last_Modified=modified)
    asset = upstream.asset(BODY, cut, upstream.whole(BODY))
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None, again]


def test_a_changed_etag_starts_over(get: Get, upstream: Upstream) -> None:
    changed = upstream.whole(BODY, etag='"two"')
    asset = upstream.asset(BODY, upstream.whole(OTHER, upto=HALF), changed)
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None, f"bytes={HALF}-"]


def test_a_validator_does_not_outlive_its_bytes(get: Get, upstream: Upstream) -> None:
    anonymous = upstream.whole(BODY, etag=None, upto=HALF)
    asset = upstream.asset(BODY, upstream.whole(BODY, upto=HALF), anonymous, upstream.whole(BODY))
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None, f"bytes={HALF}-", None]


def _range(start: int, total: object, etag: str = '"one"') -> dict[str, object]:
    return {
        "Content-Range": f"bytes {start}-{len(BODY) - 1}/{total}",
        "Content-Length": len(BODY) - start,
        "ETag": etag,
    }


@pytest.mark.parametrize(
    "answer",
    [
        (206, _range(HALF - 1, len(BODY))),
        (206, _range(HALF, len(BODY), '"two"')),
        (206, _range(HALF, len(BODY) + 1)),
        (206, {"Content-Length": len(BODY) - HALF}),
        (416, {"Content-Length": len(BODY) - HALF}),
    ],
    ids=["another-start", "another-etag", "another-total", "no-content-range", "unsatisfiable"],
)
def test_a_wrong_part_starts_over(
    get: Get, upstream: Upstream, answer: tuple[int, dict[str, object]]
) -> None:
    wrong = upstream.raw(*answer, OTHER[HALF:])
    asset = upstream.asset(BODY, upstream.whole(BODY, upto=HALF), wrong, upstream.whole(BODY))
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None, f"bytes={HALF}-", None]


def test_an_open_total_in_a_part_is_fine(get: Get, upstream: Upstream) -> None:
    part = upstream.raw(206, _range(HALF, "*"), BODY[HALF:])
    asset = upstream.asset(BODY, upstream.whole(BODY, upto=HALF), part)
    assert get(asset).read_bytes() == BODY


def test_pieces_that_do_not_fit_start_over(get: Get, upstream: Upstream) -> None:
    good = upstream.whole(BODY)
    asset = upstream.asset(BODY, upstream.whole(OTHER, upto=HALF), good, good)
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None, f"bytes={HALF}-", None]


def test_a_part_on_disk_that_rotted_starts_over(get: Get, upstream: Upstream, store: Store) -> None:
    asset = upstream.asset(BODY)
    store.partials.mkdir(parents=True)
    (store.partials / asset.sha256).write_bytes(OTHER)
    assert get(asset).read_bytes() == BODY


def test_a_whole_part_needs_no_network(get: Get, upstream: Upstream, store: Store) -> None:
    asset = upstream.asset(BODY)
    store.partials.mkdir(parents=True)
    (store.partials / asset.sha256).write_bytes(BODY)
    (store.partials / asset.sha256).chmod(0o444)
    assert get(asset).read_bytes() == BODY
    assert upstream.requests == []


def test_a_part_of_another_source_starts_over(get: Get, upstream: Upstream, configure: Any) -> None:
    asset = upstream.asset(BODY, upstream.whole(BODY, upto=HALF))
    host = upstream.url.removeprefix("http://")
    upstream.offer(f"/m/{host}/a.tgz", upstream.whole(BODY))
    with pytest.raises(DownloadError):
        get(asset, client=Client(retry=RetryPolicy(tries=1)))
    get(asset, configure(mirror=f"{upstream.url}/m"))
    assert upstream.ranges == [None, None]


@pytest.mark.parametrize("side", [b"", b"{", b'{"source":1}'])
def test_a_broken_side_file_starts_over(
    get: Get, upstream: Upstream, store: Store, side: bytes
) -> None:
    asset = upstream.asset(BODY)
    store.partials.mkdir(parents=True)
    (store.partials / asset.sha256).write_bytes(BODY[:HALF])
    (store.partials / f"{asset.sha256}.json").write_bytes(side)
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None]
