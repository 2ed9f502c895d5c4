"""Assets from good servers, known or not, for one and for several at once."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from harness.server import Handler, Server
from harness.upstream import BODY, HALF, OTHER, Upstream, assert_clean

from bakery.store.download import download_unpinned
from bakery.store.errors import DownloadError

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.http.client import Client
    from bakery.settings import Settings
    from bakery.store.folder import Store

Get = Any  # a fixture; a Protocol would say no more
PAGE = b"<!DOCTYPE html><title>Please log in</title>"


@pytest.mark.parametrize("sized", [True, False])
def test_a_good_server(
    get: Get, upstream: Upstream, store: Store, progress: Any, *, sized: bool
) -> None:
    asset = upstream.asset(BODY, sized=sized)
    path = get(asset, progress=progress)
    assert path == store.path(asset.sha256)
    assert path.read_bytes() == BODY
    assert store.has(asset.sha256, len(BODY))
    assert (progress.total, progress.done) == (len(BODY), len(BODY))
    assert not list(store.partials.iterdir())


def test_the_store_comes_first(get: Get, upstream: Upstream) -> None:
    asset = upstream.asset(BODY)
    assert get(asset) == get(asset)
    assert len(upstream.requests) == 1


def test_a_broken_blob_is_fetched_again(get: Get, upstream: Upstream) -> None:
    asset = upstream.asset(BODY)
    path = get(asset)
    path.chmod(0o644)
    path.write_bytes(OTHER)
    assert get(asset).read_bytes() == BODY


def test_an_empty_asset(get: Get, upstream: Upstream) -> None:
    assert get(upstream.asset(b"")).read_bytes() == b""


def test_a_chunked_body(get: Get, upstream: Upstream) -> None:
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    asset = upstream.asset(BODY, upstream.raw(200, {"Transfer-Encoding": "chunked"}, chunked))
    assert get(asset).read_bytes() == BODY


def test_a_body_that_ends_with_the_connection(get: Get, upstream: Upstream) -> None:
    asset = upstream.asset(BODY, upstream.raw(200, {}, BODY), sized=False)
    assert get(asset).read_bytes() == BODY


def test_nothing_is_decoded_on_the_way(get: Get, upstream: Upstream) -> None:
    packed = gzip.compress(BODY, mtime=0)
    asset = upstream.asset(packed, upstream.whole(packed, Content_Encoding="gzip"))
    assert get(asset).read_bytes() == packed
    assert upstream.requests[0][1]["Accept-Encoding"] == "identity"


def test_redirects_are_followed(get: Get, upstream: Upstream) -> None:
    asset = upstream.asset(BODY, upstream.status(302, Location="/there?token=1"))
    upstream.offer("/there?token=1", upstream.whole(BODY))
    assert get(asset).read_bytes() == BODY


def test_netrc_gives_the_login(
    get: Get, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password word\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    get(upstream.asset(BODY))
    assert upstream.requests[0][1]["Authorization"].startswith("Basic ")


def test_a_proxy_is_used(get: Get, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", upstream.url)
    monkeypatch.setenv("no_proxy", "")
    asset = upstream.asset(BODY, path="http://upstream.invalid/a.tgz")
    asset = type(asset)("http://upstream.invalid/a.tgz", asset.sha256)
    assert get(asset).read_bytes() == BODY


class Proxy(Server):
    """A proxy that asks for a login."""

    asked = 0

    def __init__(self) -> None:
        super().__init__(AsksForLogin)


class AsksForLogin(Handler):
    server: Proxy

    def do_CONNECT(self) -> None:  # noqa: N802  named by http.server
        self.server.asked += 1
        self.close_connection = True
        self.send_response(407)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_proxy_that_asks_for_a_login_is_asked_once(
    get: Get, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        asset = type(upstream.asset(BODY))("https://upstream.invalid/a.tgz", "0" * 64)
        with pytest.raises(DownloadError, match="asks for a login") as caught:
            get(asset)
    assert "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT" in str(caught.value)
    assert proxy.asked == 1


def first_use(store: Store, settings: Settings, client: Client, url: str) -> Any:
    return download_unpinned(store, url, settings=settings, client=client)


def test_first_use(store: Store, upstream: Upstream, configure: Any, client: Client) -> None:
    asset = upstream.asset(BODY, upstream.whole(BODY, upto=HALF), upstream.whole(BODY))
    blob = first_use(store, configure(), client, asset.url)
    assert (blob.sha256, blob.size, blob.path.read_bytes()) == (asset.sha256, len(BODY), BODY)
    assert store.has(asset.sha256)
    assert not list(store.partials.iterdir())


@pytest.mark.parametrize("body", [b"", b"\n" + PAGE])
def test_first_use_refuses_what_is_no_asset(
    store: Store, upstream: Upstream, configure: Any, client: Client, body: bytes
) -> None:
    with pytest.raises(DownloadError, match="Please log in" if body else "empty"):
        first_use(store, configure(), client, upstream.asset(body).url)
    assert_clean(store)


def test_first_use_offline(
    store: Store, upstream: Upstream, configure: Any, client: Client
) -> None:
    with pytest.raises(DownloadError):
        first_use(store, configure(offline="1"), client, upstream.asset(BODY).url)
    assert upstream.requests == []


CLIENT = """
import sys
from pathlib import Path
from types import SimpleNamespace
from bakery import settings
from bakery.store.download import fetch
from bakery.store.folder import Store

class Progress:
    done = 0
    def expect(self, total): pass
    def restart(self, done=0): self.done = done
    def tell(self, step, **how): pass
    def advance(self, count):
        self.done += count
        print(self.done, flush=True)

root, url, sha256 = sys.argv[1:]
print("asking", flush=True)
path = fetch(Store(Path(root)), SimpleNamespace(url=url, sha256=sha256, size=None),
             settings=settings.load(Path(root), {}), progress=Progress())
print(path, flush=True)
"""


def client(store: Store, asset: Any) -> subprocess.Popen[str]:
    store.root.mkdir(exist_ok=True)
    command = [sys.executable, "-c", CLIENT, str(store.root), asset.url, asset.sha256]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "asking\n"
    return process


def test_two_processes_download_once(
    store: Store, upstream: Upstream, gate: threading.Event
) -> None:
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


def test_many_threads_download_once(get: Get, upstream: Upstream) -> None:
    asset = upstream.asset(BODY)
    threads = [threading.Thread(target=get, args=(asset,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(upstream.requests) == 1
    assert get(asset).read_bytes() == BODY


def test_a_killed_download_is_resumed(
    get: Get, store: Store, upstream: Upstream, gate: threading.Event
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
