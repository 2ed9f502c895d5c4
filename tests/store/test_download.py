"""Every way in which an upstream can fail: recovery or a clear error, never wrong bytes."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bakery.store.download import download_unpinned, fetch
from bakery.store.errors import DownloadError, OfflineError, WrongBytesError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bakery.settings import Settings
    from bakery.store.folder import Store
    from bakery.store.patience import Patience

BODY = bytes(range(256)) * 1000
OTHER = b"x" + BODY[1:]
PAGE = b"<!DOCTYPE html><title>Please log in</title>"
HALF = len(BODY) // 2


class Meter:
    """Remembers the last total, and counts."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = 0

    def expect(self, total: int | None) -> None:
        self.total = total

    def advance(self, count: int) -> None:
        self.done += count

    def restart(self, done: int = 0) -> None:
        self.done = done


@pytest.fixture
def get(
    store: Store, configure: Callable[..., Settings], patience: Patience
) -> Callable[..., Path]:
    def got(asset: Any, settings: Settings | None = None, **options: Any) -> Path:
        options = {"patience": patience, **options}
        return fetch(store, asset, settings=settings or configure(), **options)

    return got


Get = Any  # the fixture above; a Protocol would say no more


def assert_clean(store: Store) -> None:
    """Nothing came in, and nothing is left over."""
    assert not list(store.root.glob("sha256/*/*"))
    assert not list(store.partials.glob("*"))


# What works


@pytest.mark.parametrize("sized", [True, False])
def test_a_good_server(get: Get, upstream: Any, store: Store, *, sized: bool) -> None:
    meter = Meter()
    asset = upstream.asset(BODY, sized=sized)
    path = get(asset, meter=meter)
    assert path == store.path(asset.sha256)
    assert path.read_bytes() == BODY
    assert store.has(asset.sha256, len(BODY))
    assert (meter.total, meter.done) == (len(BODY), len(BODY))
    assert not list(store.partials.iterdir())


def test_the_store_comes_first(get: Get, upstream: Any) -> None:
    asset = upstream.asset(BODY)
    assert get(asset) == get(asset)
    assert len(upstream.requests) == 1


def test_a_broken_blob_is_fetched_again(get: Get, upstream: Any) -> None:
    asset = upstream.asset(BODY)
    path = get(asset)
    path.chmod(0o644)
    path.write_bytes(OTHER)
    assert get(asset).read_bytes() == BODY


def test_an_empty_asset(get: Get, upstream: Any) -> None:
    assert get(upstream.asset(b"")).read_bytes() == b""


def test_a_chunked_body(get: Get, upstream: Any) -> None:
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    asset = upstream.asset(BODY, upstream.raw(200, {"Transfer-Encoding": "chunked"}, chunked))
    assert get(asset).read_bytes() == BODY


def test_a_body_that_ends_with_the_connection(get: Get, upstream: Any) -> None:
    asset = upstream.asset(BODY, upstream.raw(200, {}, BODY), sized=False)
    assert get(asset).read_bytes() == BODY


def test_nothing_is_decoded_on_the_way(get: Get, upstream: Any) -> None:
    packed = gzip.compress(BODY, mtime=0)
    asset = upstream.asset(packed, upstream.whole(packed, Content_Encoding="gzip"))
    assert get(asset).read_bytes() == packed
    assert upstream.requests[0][1]["Accept-Encoding"] == "identity"


def test_redirects_are_followed(get: Get, upstream: Any) -> None:
    asset = upstream.asset(BODY, upstream.status(302, Location="/there?token=1"))
    upstream.offer("/there?token=1", upstream.whole(BODY))
    assert get(asset).read_bytes() == BODY


def test_netrc_gives_the_login(
    get: Get, upstream: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password word\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    get(upstream.asset(BODY))
    assert upstream.requests[0][1]["Authorization"].startswith("Basic ")


def test_a_proxy_is_used(get: Get, upstream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", upstream.url)
    monkeypatch.setenv("no_proxy", "")
    asset = upstream.asset(BODY, path="http://upstream.invalid/a.tgz")
    asset = type(asset)("http://upstream.invalid/a.tgz", asset.sha256)
    assert get(asset).read_bytes() == BODY


# Where assets come from


def test_a_mirror_stands_in_for_upstream(get: Get, upstream: Any, configure: Any) -> None:
    body = upstream.asset(BODY, path="/m/host.invalid:8/a/b.tgz?x=1")
    asset = type(body)("https://me:word@host.invalid:8/a/b.tgz?x=1", body.sha256, body.size)
    get(asset, configure(mirror=f"{upstream.url}/m"))
    path, headers = upstream.requests[0]
    assert path == "/m/host.invalid:8/a/b.tgz?x=1"
    assert headers["Authorization"] is None


def test_what_the_mirror_lacks_is_not_sought_upstream(
    get: Get, upstream: Any, configure: Any
) -> None:
    asset = upstream.asset(BODY)
    with pytest.raises(DownloadError, match="HTTP 404") as caught:
        get(asset, configure(mirror=f"{upstream.url}/m"))
    assert "BAKERY_MIRROR" in str(caught.value)
    assert len(upstream.requests) == 1


def test_a_local_file(get: Get, upstream: Any, configure: Any, tmp_path: Path) -> None:
    (tmp_path / "a file").write_bytes(BODY)
    asset = upstream.asset(BODY)
    asset = type(asset)((tmp_path / "a file").as_uri(), asset.sha256, asset.size)
    assert get(asset, configure(mirror=f"{upstream.url}/m")).read_bytes() == BODY
    assert upstream.requests == []
    assert (tmp_path / "a file").read_bytes() == BODY


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///no/such/file", "No such file"),
        ("file:///", "Is a directory"),
        ("file://relative/file", "three slashes"),
        ("ftp://host/file", "begins with ftp:"),
        ("pypi:uv", "begins with pypi:"),
        ("http:///path", "makes no sense"),
    ],
)
def test_addresses_that_lead_nowhere(get: Get, upstream: Any, url: str, why: str) -> None:
    asset = type(upstream.asset(BODY))(url, "ab" * 32)
    with pytest.raises(DownloadError, match=why):
        get(asset)


def test_a_mirror_may_be_a_folder(get: Get, upstream: Any, configure: Any, tmp_path: Path) -> None:
    (tmp_path / "host.invalid").mkdir()
    (tmp_path / "host.invalid" / "a.tgz").write_bytes(BODY)
    asset = upstream.asset(BODY)
    asset = type(asset)("https://host.invalid/a.tgz", asset.sha256)
    assert get(asset, configure(mirror=tmp_path.as_uri())).read_bytes() == BODY


def test_resolving_happens_only_for_a_download(get: Get, upstream: Any, configure: Any) -> None:
    asset = upstream.asset(BODY)
    named = type(asset)("pypi:thing", asset.sha256, asset.size)
    resolved: list[str] = []

    def resolve(url: str) -> str:
        resolved.append(url)
        return str(asset.url)

    for _ in range(2):
        get(named, configure(mirror="http://mirror.invalid"), resolve=resolve)
    assert resolved == ["pypi:thing"]


def test_the_remote_store_comes_before_upstream(get: Get, upstream: Any, configure: Any) -> None:
    asset = upstream.asset(BODY)
    upstream.offer(f"/r/sha256/{asset.sha256[:2]}/{asset.sha256}", upstream.whole(BODY))
    get(asset, configure(remote=f"{upstream.url}/r"))
    assert [path for path, _ in upstream.requests] == [
        f"/r/sha256/{asset.sha256[:2]}/{asset.sha256}"
    ]


@pytest.mark.parametrize(
    ("failure", "warns"), [("status-404", False), ("status-500", True), ("wrong", True)]
)
def test_a_remote_store_that_fails_is_passed_over(
    get: Get,
    upstream: Any,
    configure: Any,
    caplog: pytest.LogCaptureFixture,
    failure: str,
    *,
    warns: bool,
) -> None:
    asset = upstream.asset(BODY)
    behaviour = upstream.whole(OTHER) if failure == "wrong" else upstream.status(int(failure[-3:]))
    upstream.offer(f"/r/sha256/{asset.sha256[:2]}/{asset.sha256}", behaviour)
    assert get(asset, configure(remote=f"{upstream.url}/r")).read_bytes() == BODY
    assert bool(caplog.records) == warns


def test_offline_uses_only_the_store(get: Get, upstream: Any, configure: Any) -> None:
    asset = upstream.asset(BODY)
    with pytest.raises(OfflineError, match="BAKERY_OFFLINE") as caught:
        get(asset, configure(offline="1"))
    assert asset.url in str(caught.value)
    assert asset.sha256 in str(caught.value)
    assert upstream.requests == []
    path = get(asset)
    assert get(asset, configure(offline="1")) == path


# Failures that pass


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_passing_failures_are_tried_again(
    get: Get, upstream: Any, slept: list[float], code: int
) -> None:
    failure = upstream.status(code)
    get(upstream.asset(BODY, failure, failure, upstream.whole(BODY)))
    assert slept == [1.0, 2.0]


@pytest.mark.parametrize("code", [429, 503, 403])
def test_retry_after_is_honoured(get: Get, upstream: Any, slept: list[float], code: int) -> None:
    get(upstream.asset(BODY, upstream.status(code, Retry_After=17), upstream.whole(BODY)))
    assert slept == [17.0]


@pytest.mark.parametrize("code", [204, 304, 400, 401, 403, 404, 407, 410, 451])
def test_lasting_failures_are_not(
    get: Get, upstream: Any, store: Store, slept: list[float], code: int
) -> None:
    with pytest.raises(DownloadError, match=f"HTTP {code}"):
        get(upstream.asset(BODY, upstream.status(code)))
    assert slept == []
    assert_clean(store)


def test_patience_ends(get: Get, upstream: Any, store: Store, slept: list[float]) -> None:
    with pytest.raises(DownloadError, match=r"HTTP 503 .*\(after 6 tries\)") as caught:
        get(upstream.asset(BODY, upstream.status(503)))
    assert "run again" in str(caught.value)
    assert slept == [1, 2, 4, 8, 16]
    assert_clean(store)


def test_a_cut_connection_is_resumed(get: Get, upstream: Any) -> None:
    meter = Meter()
    asset = upstream.asset(BODY, upstream.whole(BODY, upto=HALF), upstream.whole(BODY))
    assert get(asset, meter=meter).read_bytes() == BODY
    assert upstream.ranges == [None, f"bytes={HALF}-"]
    assert upstream.requests[1][1]["If-Range"] == '"one"'
    assert (meter.total, meter.done) == (len(BODY), len(BODY))


def test_headway_renews_patience(get: Get, upstream: Any) -> None:
    body = BODY * 40
    cuts = [upstream.whole(body, upto=upto << 20) for upto in range(1, 10)]
    assert get(upstream.asset(body, *cuts, upstream.whole(body))).read_bytes() == body


def test_always_cut_at_the_same_place(get: Get, upstream: Any, store: Store) -> None:
    with pytest.raises(DownloadError, match="after 6 tries"):
        get(upstream.asset(BODY, upstream.whole(BODY, etag=None, upto=HALF)))
    assert not list(store.root.glob("sha256/*/*"))


def test_a_stall_is_noticed_and_resumed(
    get: Get, upstream: Any, gate: threading.Event, slept: list[float], patience: Patience
) -> None:
    hasty = type(patience)(sleep=slept.append, stall=0.3)
    asset = upstream.asset(BODY, upstream.stalling(BODY, HALF, gate), upstream.whole(BODY))
    assert get(asset, patience=hasty).read_bytes() == BODY
    assert f"bytes={HALF}-" in upstream.ranges


def test_a_refused_connection(get: Get, upstream: Any, slept: list[float]) -> None:
    asset = upstream.asset(BODY)
    upstream.server_close()
    with pytest.raises(DownloadError, match="Connection refused"):
        get(asset)
    assert len(slept) == 5


def test_an_unknown_host_is_told_at_once(get: Get, upstream: Any, slept: list[float]) -> None:
    asset = type(upstream.asset(BODY))("http://me:word@host.invalid/a?token=secret", "ab" * 32)
    with pytest.raises(DownloadError, match="can't be resolved") as caught:
        get(asset)
    assert len(slept) in (0, 5)  # a machine without any network is told to ask again
    assert "word" not in str(caught.value)
    assert "secret" not in str(caught.value)


# Resuming, and when not to


def test_the_second_run_goes_on(get: Get, upstream: Any, patience: Patience) -> None:
    asset = upstream.asset(BODY, upstream.whole(BODY, upto=HALF), upstream.whole(BODY))
    once = type(patience)(tries=1)
    with pytest.raises(DownloadError):
        get(asset, patience=once)
    assert get(asset, patience=once).read_bytes() == BODY
    assert upstream.ranges == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_validator_it_starts_over(get: Get, upstream: Any, etag: str) -> None:
    asset = upstream.asset(BODY, upstream.whole(BODY, etag=etag, upto=HALF), upstream.whole(BODY))
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None, None]


@pytest.mark.parametrize(
    ("modified", "again"),
    [("Tue, 14 Nov 2023 22:13:20 GMT", f"bytes={HALF}-"), ("Tue, 14 Nov 2099 22:13:20 GMT", None)],
)
def test_an_old_date_is_a_validator(get: Get, upstream: Any, modified: str, again: str) -> None:
    cut = upstream.whole(BODY, etag=None, upto=HALF, Last_Modified=modified)
    asset = upstream.asset(BODY, cut, upstream.whole(BODY))
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None, again]


def test_a_changed_etag_starts_over(get: Get, upstream: Any) -> None:
    changed = upstream.whole(BODY, etag='"two"')
    asset = upstream.asset(BODY, upstream.whole(OTHER, upto=HALF), changed)
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None, f"bytes={HALF}-"]


def test_a_validator_does_not_outlive_its_bytes(get: Get, upstream: Any) -> None:
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
    get: Get, upstream: Any, answer: tuple[int, dict[str, object]]
) -> None:
    wrong = upstream.raw(*answer, OTHER[HALF:])
    asset = upstream.asset(BODY, upstream.whole(BODY, upto=HALF), wrong, upstream.whole(BODY))
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None, f"bytes={HALF}-", None]


def test_an_open_total_in_a_part_is_fine(get: Get, upstream: Any) -> None:
    part = upstream.raw(206, _range(HALF, "*"), BODY[HALF:])
    asset = upstream.asset(BODY, upstream.whole(BODY, upto=HALF), part)
    assert get(asset).read_bytes() == BODY


def test_pieces_that_do_not_fit_start_over(get: Get, upstream: Any) -> None:
    good = upstream.whole(BODY)
    asset = upstream.asset(BODY, upstream.whole(OTHER, upto=HALF), good, good)
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None, f"bytes={HALF}-", None]


def test_a_part_on_disk_that_rotted_starts_over(get: Get, upstream: Any, store: Store) -> None:
    asset = upstream.asset(BODY)
    store.partials.mkdir(parents=True)
    (store.partials / asset.sha256).write_bytes(OTHER)
    assert get(asset).read_bytes() == BODY


def test_a_whole_part_needs_no_network(get: Get, upstream: Any, store: Store) -> None:
    asset = upstream.asset(BODY)
    store.partials.mkdir(parents=True)
    (store.partials / asset.sha256).write_bytes(BODY)
    (store.partials / asset.sha256).chmod(0o444)
    assert get(asset).read_bytes() == BODY
    assert upstream.requests == []


def test_a_part_of_another_source_starts_over(
    get: Get, upstream: Any, configure: Any, patience: Patience
) -> None:
    asset = upstream.asset(BODY, upstream.whole(BODY, upto=HALF))
    host = upstream.url.removeprefix("http://")
    upstream.offer(f"/m/{host}/a.tgz", upstream.whole(BODY))
    with pytest.raises(DownloadError):
        get(asset, patience=type(patience)(tries=1))
    get(asset, configure(mirror=f"{upstream.url}/m"))
    assert upstream.ranges == [None, None]


@pytest.mark.parametrize("side", [b"", b"{", b'{"source":1}'])
def test_a_broken_side_file_starts_over(get: Get, upstream: Any, store: Store, side: bytes) -> None:
    asset = upstream.asset(BODY)
    store.partials.mkdir(parents=True)
    (store.partials / asset.sha256).write_bytes(BODY[:HALF])
    (store.partials / f"{asset.sha256}.json").write_bytes(side)
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None]


# Lies


@pytest.mark.parametrize("sized", [True, False])
def test_other_bytes_are_an_alarm(
    get: Get, upstream: Any, store: Store, slept: list[float], *, sized: bool
) -> None:
    asset = upstream.asset(BODY, upstream.whole(OTHER), sized=sized)
    with pytest.raises(WrongBytesError, match="alarm") as caught:
        get(asset)
    for told in (asset.url, asset.sha256, hashlib.sha256(OTHER).hexdigest()):
        assert told in str(caught.value)
    assert slept == []
    assert len(upstream.requests) == 1
    assert_clean(store)


@pytest.mark.parametrize("sized", [True, False])
def test_a_web_page_is_shown(get: Get, upstream: Any, store: Store, *, sized: bool) -> None:
    page = upstream.status(200, PAGE, Content_Type="text/html; charset=utf-8")
    with pytest.raises(WrongBytesError, match="text/html") as caught:
        get(upstream.asset(BODY, page, sized=sized))
    assert "Please log in" in str(caught.value)
    assert_clean(store)


def test_a_chunked_web_page_is_no_cut_connection(get: Get, upstream: Any) -> None:
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(PAGE), PAGE)
    page = upstream.raw(200, {"Transfer-Encoding": "chunked"}, chunked)
    with pytest.raises(WrongBytesError, match="Please log in"):
        get(upstream.asset(BODY, page))


def test_coding_on_the_fly_is_told(get: Get, upstream: Any) -> None:
    packed = upstream.whole(gzip.compress(BODY), Content_Encoding="gzip")
    with pytest.raises(WrongBytesError, match="coded as gzip"):
        get(upstream.asset(BODY, packed))


def test_control_characters_stay_out_of_messages(get: Get, upstream: Any) -> None:
    with pytest.raises(WrongBytesError) as caught:
        get(upstream.asset(BODY, upstream.whole(b"\x1b[2Jgone")))
    assert "\x1b" not in str(caught.value)


def test_a_length_that_is_too_short(get: Get, upstream: Any, store: Store) -> None:
    lie = upstream.raw(200, {"Content-Length": HALF}, BODY)
    with pytest.raises(WrongBytesError, match=f"received: {HALF} bytes"):
        get(upstream.asset(BODY, lie))
    assert_clean(store)


def test_a_length_that_is_too_long(get: Get, upstream: Any, store: Store) -> None:
    lie = upstream.raw(200, {"Content-Length": len(BODY) * 2}, BODY)
    with pytest.raises(WrongBytesError, match=f"received: {len(BODY) * 2} bytes"):
        get(upstream.asset(BODY, lie))
    assert_clean(store)


def test_a_length_that_is_too_long_without_a_locked_size(
    get: Get, upstream: Any, store: Store
) -> None:
    lie = upstream.raw(200, {"Content-Length": len(BODY) * 2}, BODY)
    with pytest.raises(DownloadError, match="after 6 tries"):
        get(upstream.asset(BODY, lie, sized=False))
    assert not list(store.root.glob("sha256/*/*"))


def test_an_endless_body_is_cut_off(get: Get, upstream: Any, store: Store) -> None:
    def endless(handler: Any) -> None:
        handler.answer(200, {})
        for _ in range(10_000):  # until the client hangs up, which raises here
            handler.wfile.write(BODY)

    with pytest.raises(WrongBytesError, match=f"more than {len(BODY)} bytes"):
        get(upstream.asset(BODY, endless))
    assert_clean(store)


def test_redirects_in_a_circle(get: Get, upstream: Any) -> None:
    with pytest.raises(DownloadError, match="in a circle"):
        get(upstream.asset(BODY, upstream.status(302, Location="/a.tgz")))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://host/a?token=secret"])
def test_redirects_off_the_web(get: Get, upstream: Any, target: str) -> None:
    with pytest.raises(DownloadError, match="redirects from http to") as caught:
        get(upstream.asset(BODY, upstream.status(302, Location=target)))
    assert "secret" not in str(caught.value)


def test_a_bundle_of_certificates_that_is_missing(
    get: Get, upstream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle")
    asset = type(upstream.asset(BODY))(f"{upstream.url}/a.tgz".replace("http", "https"), "ab" * 32)
    with pytest.raises(DownloadError, match="/no/such/bundle"):
        get(asset)


# First use


def first_use(store: Store, settings: Settings, patience: Patience, url: str) -> Any:
    return download_unpinned(store, url, settings=settings, patience=patience)


def test_first_use(store: Store, upstream: Any, configure: Any, patience: Patience) -> None:
    asset = upstream.asset(BODY, upstream.whole(BODY, upto=HALF), upstream.whole(BODY))
    blob = first_use(store, configure(), patience, asset.url)
    assert (blob.sha256, blob.size, blob.path.read_bytes()) == (asset.sha256, len(BODY), BODY)
    assert store.has(asset.sha256)
    assert not list(store.partials.iterdir())


@pytest.mark.parametrize("body", [b"", b"\n" + PAGE])
def test_first_use_refuses_what_is_no_asset(
    store: Store, upstream: Any, configure: Any, patience: Patience, body: bytes
) -> None:
    with pytest.raises(DownloadError, match="Please log in" if body else "empty"):
        first_use(store, configure(), patience, upstream.asset(body).url)
    assert_clean(store)


def test_first_use_offline(store: Store, upstream: Any, configure: Any, patience: Patience) -> None:
    with pytest.raises(OfflineError):
        first_use(store, configure(offline="1"), patience, upstream.asset(BODY).url)
    assert upstream.requests == []


# Several at once

CLIENT = """
import sys
from pathlib import Path
from types import SimpleNamespace
from bakery import settings
from bakery.store.download import fetch
from bakery.store.folder import Store

class Meter:
    done = 0
    def expect(self, total): pass
    def restart(self, done=0): self.done = done
    def advance(self, count):
        self.done += count
        print(self.done, flush=True)

root, url, sha256 = sys.argv[1:]
print("asking", flush=True)
path = fetch(Store(Path(root)), SimpleNamespace(url=url, sha256=sha256, size=None),
             settings=settings.load(Path(root), {}), meter=Meter())
print(path, flush=True)
"""


def client(store: Store, asset: Any) -> subprocess.Popen[str]:
    store.root.mkdir(exist_ok=True)
    command = [sys.executable, "-c", CLIENT, str(store.root), asset.url, asset.sha256]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "asking\n"
    return process


def test_two_processes_download_once(store: Store, upstream: Any, gate: threading.Event) -> None:
    asset = upstream.asset(BODY, upstream.stalling(BODY, HALF, gate), upstream.whole(BODY))
    with client(store, asset) as one:
        assert one.stdout
        one.stdout.readline()  # it has the first bytes, and the lock
        with client(store, asset) as two:
            gate.set()
            for process in (one, two):
                said, _ = process.communicate()
                assert said.splitlines()[-1] == str(store.path(asset.sha256))
    assert len(upstream.requests) == 1


def test_many_threads_download_once(get: Get, upstream: Any) -> None:
    asset = upstream.asset(BODY)
    threads = [threading.Thread(target=get, args=(asset,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(upstream.requests) == 1
    assert get(asset).read_bytes() == BODY


def test_a_killed_download_is_resumed(
    get: Get, store: Store, upstream: Any, gate: threading.Event
) -> None:
    asset = upstream.asset(BODY, upstream.stalling(BODY, HALF, gate), upstream.whole(BODY))
    with client(store, asset) as process:
        assert process.stdout
        for line in process.stdout:
            if int(line) == HALF:
                break
        process.kill()
    assert not store.has(asset.sha256)
    assert get(asset).read_bytes() == BODY
    assert upstream.ranges == [None, f"bytes={HALF}-"]
    assert not list(store.partials.iterdir())
