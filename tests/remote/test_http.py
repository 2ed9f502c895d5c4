"""Web servers as shared caches: good ones in tests/e2e, here those that are none."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar

import pytest
from harness import server
from harness.upstream import BODY, DEADLINE, HALF, OTHER, Upstream

from bakery.http.client import Client
from bakery.http.limits import Limits
from bakery.http.retry import RetryPolicy
from bakery.progress import Silent
from bakery.registry.reference import Reference
from bakery.remote.cache import Cache
from bakery.remote.folder import FolderRemote
from bakery.remote.http import HttpRemote, hasty
from bakery.remote.model import LARGEST_RESULT, Blob
from bakery.remote.registry import RegistryRemote

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from harness.upstream import Behaviour, Handler

KEY = "0" * 64
BLOB = Blob(sha256=hashlib.sha256(BODY).hexdigest(), size=len(BODY))


@pytest.fixture
def cache(upstream: Upstream) -> Cache:
    retry = RetryPolicy(tries=2, sleep=lambda _: None)
    client = Client(retry=retry, limits=Limits(connect=0.5, stall=0.2, window=0.2))
    return Cache(HttpRemote(f"{upstream.url}/c/", client))


def offers(upstream: Upstream, behaviour: Behaviour) -> None:
    upstream.offer(f"/c/ac/{KEY}", behaviour)
    upstream.offer(f"/c/cas/{BLOB.sha256}", behaviour)


def hangs(gate: threading.Event, *, half: bool) -> Behaviour:
    """Answer with nothing, or with half a file, and then not go on."""

    def behave(handler: Handler) -> None:
        if half:
            handler.answer(200, {"Content-Length": len(BODY)}, BODY[:HALF])
            handler.wfile.flush()
        gate.wait(DEADLINE)

    return behave


def says(body: bytes, length: int | None = None) -> Behaviour:
    return lambda handler: handler.answer(
        200, {"Content-Length": len(body) if length is None else length}, body
    )


def test_what_is_there_comes(upstream: Upstream, cache: Cache, tmp_path: Path) -> None:
    offers(upstream, says(BODY))
    assert cache.result(KEY) == BODY
    assert cache.fetch(BLOB, tmp_path / "blob", Silent())
    assert (tmp_path / "blob").read_bytes() == BODY
    assert cache.complaints() == []


def test_what_is_not_there_is_no_failure(upstream: Upstream, cache: Cache) -> None:
    for _ in range(9):
        assert cache.result(KEY) is None
    assert len(upstream.requests) == 9
    assert cache.complaints() == []


@pytest.mark.parametrize("kind", ["server", "folder", "registry"])
def test_files_that_were_removed_leave_the_rest_of_use(
    upstream: Upstream, cache: Cache, tmp_path: Path, kind: str
) -> None:
    if kind == "folder":
        cache = Cache(FolderRemote(tmp_path))
    elif kind == "registry":
        reference = Reference.parse(f"{upstream.url.partition('//')[2]}/me/cache")
        cache = Cache(RegistryRemote(reference))
    for number in range(9):
        gone = Blob(sha256=f"{number}" * 64, size=1)
        assert not cache.fetch(gone, tmp_path / "blob", Silent())
    (complaint,) = cache.complaints()
    assert f"the blob {'0' * 64} is gone" in complaint
    if kind == "folder":
        (tmp_path / "cas").mkdir()
        (tmp_path / "cas" / BLOB.sha256).write_bytes(BODY)
    offers(upstream, says(BODY))
    upstream.offer(f"/v2/me/cache/blobs/sha256:{BLOB.sha256}", says(BODY))
    assert cache.fetch(BLOB, tmp_path / "blob", Silent())


BAD = {
    "500": Upstream.status(500),
    "403": Upstream.status(403),
    "a cut": says(BODY[:HALF], len(BODY)),
    "a wrong length": says(b"", 1 << 60),
}


@pytest.mark.parametrize("behaviour", BAD.values(), ids=BAD.keys())
def test_failures_are_none_and_are_told_once(
    upstream: Upstream, cache: Cache, tmp_path: Path, behaviour: Behaviour
) -> None:
    offers(upstream, behaviour)
    for _ in range(9):
        assert cache.result(KEY) is None
        assert not cache.fetch(BLOB, tmp_path / "blob", Silent())
    assert len(upstream.requests) <= 6  # three failures of two tries each
    (complaint,) = cache.complaints()
    assert "left aside" in complaint


@pytest.mark.parametrize("half", [False, True])
def test_who_hangs_is_asked_a_few_times(
    upstream: Upstream, cache: Cache, gate: threading.Event, tmp_path: Path, *, half: bool
) -> None:
    offers(upstream, hangs(gate, half=half))
    for _ in range(9):
        assert cache.result(KEY) is None
        assert not cache.fetch(BLOB, tmp_path / "blob", Silent())
    assert len(upstream.requests) <= 6
    assert len(cache.complaints()) == 1


@pytest.mark.parametrize("body", [OTHER, BODY[:HALF], BODY + b"~", b""])
def test_other_bytes_are_none(
    upstream: Upstream, cache: Cache, tmp_path: Path, body: bytes
) -> None:
    offers(upstream, says(body))
    assert not cache.fetch(BLOB, tmp_path / "blob", Silent())
    assert len(cache.complaints()) == 1


def test_what_was_found_damaged_is_written_anew(tmp_path: Path) -> None:
    """A server tells sizes alone, and these may be right."""
    with server.Server(Storing) as it:
        Storing.files = {f"/cas/{BLOB.sha256}": OTHER}
        for heals in (False, True):
            cache = Cache(HttpRemote(it.url))
            assert not heals or not cache.fetch(BLOB, tmp_path / "blob", Silent())
            assert cache.put(BLOB, BODY)
            assert Storing.files == {f"/cas/{BLOB.sha256}": BODY if heals else OTHER}


class Storing(server.Handler):
    """Keeps what it is given, under its path."""

    files: ClassVar[dict[str, bytes]]

    def get(self) -> None:
        body = self.files[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_HEAD = server.Handler.do_GET  # noqa: N815  named by http.server

    def do_PUT(self) -> None:  # noqa: N802  named by http.server
        self.close_connection = True
        self.files[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_result_without_end_is_none(upstream: Upstream, cache: Cache) -> None:
    offers(upstream, says(b"x" * (LARGEST_RESULT + 1)))
    assert cache.result(KEY) is None
    assert "more than 4.0 MiB" in cache.complaints()[0]


def test_a_login_is_told_to_the_server_and_to_nobody_else(upstream: Upstream) -> None:
    remote = HttpRemote(f"{upstream.url.replace('//', '//me:secret@')}/c")
    offers(upstream, Upstream.status(403))
    cache = Cache(remote)
    assert cache.result(KEY) is None
    assert upstream.requests[0][1]["Authorization"].startswith("Basic ")
    (complaint,) = cache.complaints()
    assert "secret" not in complaint + cache.name


def test_nobody_waits_long_for_a_cache() -> None:
    usual, client = Client(), hasty()
    assert client.retry.tries < usual.retry.tries
    assert client.limits.stall < usual.limits.stall
    assert client.limits.least_speed > usual.limits.least_speed
