"""Files in registries, read as others are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from bakery.http.errors import RefusedError, TooLargeError
from bakery.registry.client import Registry
from bakery.registry.contents import FILES, NAME, Reader
from bakery.registry.files import Files
from bakery.registry.manifest import NOTHING, TITLE, Descriptor, Index, Manifest, Stored

if TYPE_CHECKING:
    from harness.registry import Line, Running

    from bakery.http.client import Client
    from bakery.registry.reference import Reference

KIND = "application/vnd.example.thing.v1"
TAG = "app-1_2"


def titled(registry: Registry, title: str, content: bytes) -> Descriptor:
    return msgspec.structs.replace(registry.push(content, KIND), annotations={TITLE: title})


@pytest.fixture
def place(registry: Running, request: pytest.FixtureRequest) -> Reference:
    return registry.reference(f"me/f{abs(hash(request.node.nodeid))}")


@pytest.fixture
def there(place: Reference, client: Client) -> Registry:
    registry = Registry(place, client=client, environment={})
    registry.push(b"{}", NOTHING.media_type)
    return registry


@pytest.fixture
def files(client: Client) -> Files:
    return Files(retry=client.retry)


def put(registry: Registry, *layers: Descriptor, **annotations: str) -> Descriptor:
    return registry.put(Manifest.of(KIND, layers, annotations=annotations), TAG)


def test_a_file_of_a_tag(there: Registry, files: Files) -> None:
    put(there, titled(there, "a+b.txt", b"content"), **{NAME: "app-1+2"})
    for address in ("app-1+2/a+b.txt", "app-1%2B2/a%2Bb.txt"):
        assert files.read(f"{there.reference}/{address}") == b"content"
    for address in ("app-1_2/a+b.txt", "app-1+2/other", "app-2/a+b.txt", "~/a"):
        with pytest.raises(RefusedError):
            files.read(f"{there.reference}/{address}")
    with pytest.raises(TooLargeError):
        files.read(f"{there.reference}/app-1+2/a+b.txt", size=3)


def test_a_file_by_its_digest(there: Registry, files: Files) -> None:
    digest = there.push(b"content", KIND).digest
    assert files.read(f"{there.reference}@{digest}") == b"content"
    with pytest.raises(RefusedError) as caught:
        files.read(f"{there.reference}@sha256:{'0' * 64}")
    assert caught.value.status == 404


def test_what_is_read_of_a_tag_belongs_together(there: Registry, files: Files) -> None:
    put(there, *(titled(there, name, b"old") for name in ("a", "b")))
    assert files.read(f"{there.reference}/{TAG}/a") == b"old"
    put(there, *(titled(there, name, b"new") for name in ("a", "b")))
    assert files.read(f"{there.reference}/{TAG}/b") == b"old"
    assert Files().read(f"{there.reference}/{TAG}/b") == b"new"


@pytest.mark.parametrize("name", ["../a", "/a", ".a", "a/b", "", "a\nb"])
def test_no_name_leads_elsewhere(there: Registry, name: str) -> None:
    put(there, titled(there, name, b"content"), titled(there, "good", b"content"))
    contents = Reader(there).read(TAG)
    assert contents is not None
    assert contents.files.keys() == {"good"}


@pytest.mark.parametrize("name", ["app-1+3", "../app-1_2", "other"])
def test_a_name_that_the_tag_does_not_stand_for(there: Registry, name: str) -> None:
    put(there, titled(there, "a", b"content"), **{NAME: name})
    contents = Reader(there).read(TAG)
    assert contents is not None
    assert contents.name == TAG


def test_files_of_an_index(line: Line, client: Client) -> None:
    there = Registry(line.running.reference("me/index"), client=client, environment={})
    there.push(b"{}", NOTHING.media_type)
    one, other = (titled(there, name, name.encode()) for name in ("one", "other"))
    described = [there.put(Manifest.of(KIND, [each])) for each in (one, other)]
    there.put(Index.of(described), TAG)
    contents = Reader(there).read(TAG)
    assert contents is not None
    assert contents.files == {"one": one, "other": other}
    everything = Manifest.of(FILES, [one, other])
    listed = msgspec.structs.replace(there.put(everything), artifact_type=FILES)
    there.put(Index.of([*described, listed]), TAG)
    before = len(line.requests)
    again = Reader(there).read(TAG)
    assert again is not None
    assert again.files == contents.files
    assert len(line.requests) == before + 2


def test_an_index_of_very_much_is_refused(there: Registry) -> None:
    described = there.put(Manifest.of(KIND, [titled(there, "a", b"content")]))
    there.put(Stored.of(Index.of([described] * 100)), TAG)
    with pytest.raises(RefusedError, match="100 manifests"):
        Reader(there).read(TAG)


@pytest.mark.parametrize(
    "address", ["oci://localhost/me", "oci://localhost/Me/it/v1", "oci://localhost/me/it:v1"]
)
def test_how_addresses_look_is_told(files: Files, address: str) -> None:
    with pytest.raises(RefusedError, match="oci://HOST/PATH/NAME"):
        files.read(f"{address}/SHA256SUMS")
