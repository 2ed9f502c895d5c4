from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest
from harness.registry import FAULTS, referrers
from harness.server import Handler, Server

from bakery.http.errors import RefusedError, TooLargeError, TransientError
from bakery.registry.client import Registry
from bakery.registry.manifest import NOTHING, TITLE, Descriptor, Index, Manifest, Stored
from bakery.registry.reference import Reference

if TYPE_CHECKING:
    from pathlib import Path

    from harness.registry import Fault, Line, Running

    from bakery.http.client import Client

LARGE = os.urandom(9 << 20)
KIND = "application/vnd.example.thing.v1"


@pytest.fixture
def repository(registry: Running, client: Client, request: pytest.FixtureRequest) -> Registry:
    name = f"t{abs(hash(request.node.nodeid))}"
    return Registry(registry.reference(f"me/{name}"), client=client, environment={})


def pushed(repository: Registry, content: bytes = b"content", **annotations: str) -> Stored:
    """Bring a manifest of one file there."""
    layer = msgspec.structs.replace(repository.push(content, KIND), annotations=annotations)
    repository.push(b"{}", NOTHING.media_type)
    stored = Stored.of(Manifest.of(KIND, [layer], annotations=annotations))
    repository.put(stored)
    return stored


@pytest.mark.parametrize("content", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_a_blob_goes_there_and_comes_back(
    repository: Registry, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(content)
    descriptor = repository.push(tmp_path / "file", KIND)
    assert descriptor == repository.push(content, KIND) == Descriptor.of(content, KIND)
    assert repository.blob(descriptor.digest) == len(content)
    repository.pull(descriptor, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert repository.read(descriptor, len(content)) == content


def test_what_is_there_is_not_sent_again(line: Line, client: Client) -> None:
    repository = Registry(line.running.reference("me/again"), client=client, environment={})
    repository.push(b"here already", KIND)
    line.requests.clear()
    repository.push(b"here already", KIND)
    assert [request.split()[0] for request in line.requests] == ["HEAD"]


def test_what_is_not_there(repository: Registry) -> None:
    nothing = Descriptor.of(b"nothing", KIND)
    assert repository.blob(nothing.digest) is None
    assert repository.manifest("tag") is None
    assert repository.manifest(nothing.digest) is None
    assert repository.tags() == []
    assert referrers(repository, nothing.digest) == []
    with pytest.raises(RefusedError, match="404"):
        repository.read(nothing, 100)


def test_a_manifest_has_a_name_and_a_digest(repository: Registry) -> None:
    stored = pushed(repository, b"content", **{TITLE: "file"})
    index = Index.of([stored.descriptor], artifact_type=KIND)
    named = repository.put(index, "v1")
    assert repository.manifest("v1") == repository.manifest(named.digest)
    assert repository.manifest("v1") == Stored.of(index)
    layer = Stored.manifest(repository.manifest(stored.digest) or stored).layer("file")
    assert layer is not None
    assert repository.read(layer, 100) == b"content"
    assert repository.tags() == ["v1"]


def test_tags_come_in_pages(
    registry: Running, repository: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    if registry.lists:
        pytest.skip("crane's registry cuts a list of tags short and does not say so")
    monkeypatch.setattr("bakery.registry.client._PAGE", 2)
    stored = pushed(repository)
    tags = [f"v{number}" for number in range(5)]
    for tag in tags:
        repository.put(stored, tag)
    assert sorted(repository.tags()) == tags


def test_what_is_attached_is_found(repository: Registry) -> None:
    subject = pushed(repository).descriptor
    kinds = (f"{KIND}+a", f"{KIND}+b")
    about = [Manifest.of(kind, [NOTHING], subject=subject) for kind in kinds]
    repository.attach(*about)
    repository.attach(about[0])
    found = referrers(repository, subject.digest)
    assert sorted(each.artifact_type or "" for each in found) == [*kinds]
    assert {each.digest for each in found} == {Stored.of(each).digest for each in about}


def test_bytes_are_compared_with_their_digest(line: Line, client: Client, tmp_path: Path) -> None:
    repository = Registry(line.running.reference("me/lied"), client=client, environment={})
    stored = pushed(repository)
    layer = stored.manifest().layers[0]
    line.fault = (len(line.requests) + 1, "wrong")
    with pytest.raises(RefusedError, match="other bytes"):
        repository.pull(layer, tmp_path / "file")
    line.fault = (len(line.requests) + 1, "wrong")
    with pytest.raises(RefusedError, match="another manifest"):
        repository.manifest(stored.digest)


def test_no_blob_is_larger_than_described(repository: Registry, tmp_path: Path) -> None:
    described = msgspec.structs.replace(repository.push(b"five!", KIND), size=4)
    with pytest.raises(TooLargeError):
        repository.pull(described, tmp_path / "file")
    with pytest.raises(TooLargeError):
        repository.read(described, 3)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_line_is_no_matter(
    line: Line, client: Client, fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever request goes wrong, all is there in the end."""
    monkeypatch.setattr("bakery.registry.upload._SMALL", 1000)
    for number in range(1, 100):
        name = f"me/{fault}{number}"
        repository = Registry(line.running.reference(name), client=client, environment={})
        line.requests.clear()
        line.fault = (number, fault)
        content = name.encode() * 20_000
        layer = repository.push(content, KIND)
        repository.push(b"{}", NOTHING.media_type)
        subject = repository.put(Manifest.of(KIND, [layer]))
        repository.attach(Manifest.of(KIND, [NOTHING], subject=subject))
        repository.pull(layer, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == content
        assert len(referrers(repository, subject.digest)) == 1
        if len(line.requests) < number:
            break
    else:
        pytest.fail("it never ends")


def test_a_tag_is_given_once(line: Line, client: Client) -> None:
    repository = Registry(line.running.reference("me/once"), client=client, environment={})
    stored = pushed(repository)
    line.fault = (len(line.requests) + 1, "after")
    with pytest.raises(TransientError):
        repository.put(stored, "v1")
    assert repository.tags() == ["v1"]


@pytest.mark.parametrize("there", ["bytes=0-{}", "0-{}"])
def test_an_upload_goes_on_where_it_broke(client: Client, there: str) -> None:
    with Keeper(there) as keeper:
        repository = Registry(
            Reference.parse(f"127.0.0.1:{keeper.server_port}/me/it"), client=client, environment={}
        )
        descriptor = repository.push(LARGE, KIND)
    assert keeper.sent == ["POST", "PATCH", "GET", "PATCH", "GET", "PUT"]
    assert Descriptor.of(bytes(keeper.kept), KIND) == descriptor


def test_a_server_that_answers_anything_with_a_page_is_no_registry(client: Client) -> None:
    with Server(_Page) as page:
        reference = Reference.parse(f"127.0.0.1:{page.server_port}/me/it")
        repository = Registry(reference, client=client, environment={})
        for content in (b"small", LARGE):
            with pytest.raises(RefusedError, match="whoever answers is no registry"):
                repository.push(content, KIND)


class _Page(Handler):
    def do_HEAD(self) -> None:  # noqa: N802  named by http.server
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()

    def do_POST(self) -> None:  # noqa: N802  named by http.server
        self.do_HEAD()
        self.wfile.write(b"hi")


class Keeper(Server):
    """A registry that keeps what has come of an upload, and hangs up after some megabytes."""

    def __init__(self, there: str) -> None:
        super().__init__(_Keeper)
        self.there = there
        self.kept = bytearray()
        self.sent: list[str] = []


class _Keeper(Handler):
    server: Keeper

    def do_HEAD(self) -> None:  # noqa: N802  named by http.server
        self.answer(404)

    def do_POST(self) -> None:  # noqa: N802  named by http.server
        self.answer(202, Location="/upload?state=0")

    def do_PATCH(self) -> None:  # noqa: N802  named by http.server
        size, kept = int(self.headers["Content-Length"]), self.server.kept
        if kept:
            assert self.headers["Content-Range"] == f"{len(kept)}-{len(LARGE) - 1}"
        kept += self.rfile.read(min(size, 4 << 20))
        if size > 4 << 20:
            self.server.sent.append(self.command)
            self.close_connection = True
        else:
            self.answer(202, Location="/upload?state=1")

    def do_PUT(self) -> None:  # noqa: N802  named by http.server
        self.server.kept += self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(201)

    def do_GET(self) -> None:  # noqa: N802  named by http.server
        self.answer(204, Range=self.server.there.format(len(self.server.kept) - 1))

    def answer(self, status: int, **headers: str) -> None:
        if status != 404:
            self.server.sent.append(self.command)
        self.close_connection = True
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            if status != 204 or name != "Content-Length":
                self.send_header(name, value)
        self.end_headers()
