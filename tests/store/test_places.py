"""Where assets come from: the store, a remote one, a mirror, a folder, upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness.upstream import BODY, OTHER, Upstream

from bakery.store.errors import DownloadError

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.http.client import Client

Get = Any  # a fixture; a Protocol would say no more


def test_a_mirror_stands_in_for_upstream(get: Get, upstream: Upstream, configure: Any) -> None:
    body = upstream.asset(BODY, path="/m/host.invalid:8/a/b.tgz?x=1")
    asset = type(body)("https://me:word@host.invalid:8/a/b.tgz?x=1", body.sha256, body.size)
    get(asset, configure(mirror=f"{upstream.url}/m"))
    path, headers = upstream.requests[0]
    assert path == "/m/host.invalid:8/a/b.tgz?x=1"
    assert headers["Authorization"] is None


def test_what_the_mirror_lacks_is_not_sought_upstream(
    get: Get, upstream: Upstream, configure: Any
) -> None:
    asset = upstream.asset(BODY)
    with pytest.raises(DownloadError, match="HTTP 404") as caught:
        get(asset, configure(mirror=f"{upstream.url}/m"))
    assert "BAKERY_MIRROR" in str(caught.value)
    by_host, by_digest = (path for path, _ in upstream.requests)
    assert by_host.startswith("/m/127.0.0.1")
    assert by_digest == f"/m/assets/{asset.sha256}"


def test_a_registry_that_does_not_answer_is_asked_as_often_as_a_server(
    get: Get, upstream: Upstream, configure: Any, client: Client, slept: list[float]
) -> None:
    with pytest.raises(DownloadError, match="the connection failed"):
        get(upstream.asset(BODY), configure(mirror="oci:127.0.0.1:1/me/mirror"))
    assert len(slept) == client.retry.tries - 1


def test_a_local_file(get: Get, upstream: Upstream, configure: Any, tmp_path: Path) -> None:
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
def test_addresses_that_lead_nowhere(get: Get, upstream: Upstream, url: str, why: str) -> None:
    asset = type(upstream.asset(BODY))(url, "ab" * 32)
    with pytest.raises(DownloadError, match=why):
        get(asset)


def test_a_mirror_may_be_a_folder(
    get: Get, upstream: Upstream, configure: Any, tmp_path: Path
) -> None:
    (tmp_path / "host.invalid").mkdir()
    (tmp_path / "host.invalid" / "a.tgz").write_bytes(BODY)
    asset = upstream.asset(BODY)
    asset = type(asset)("https://host.invalid/a.tgz", asset.sha256)
    assert get(asset, configure(mirror=tmp_path.as_uri())).read_bytes() == BODY


def test_a_mirror_has_assets_of_any_address_by_digest(
    get: Get, upstream: Upstream, configure: Any
) -> None:
    asset = upstream.asset(BODY)
    upstream.offer(f"/m/assets/{asset.sha256}", upstream.whole(BODY))
    for url in ("pypi:a/a-1-any.whl", "https://host.invalid/a.tgz"):
        named = type(asset)(url, asset.sha256, asset.size)
        path = get(named, configure(mirror=f"{upstream.url}/m"), resolve=lambda _: "")
        assert path.read_bytes() == BODY
        path.unlink()


@pytest.mark.parametrize("first", [Upstream.status(403), Upstream.whole(OTHER)])
def test_what_a_mirror_has_by_digest_counts_where_its_other_file_is_of_no_use(
    get: Get, upstream: Upstream, configure: Any, first: Any
) -> None:
    """Servers of objects refuse what is not there; wget may have fetched what came later."""
    asset = upstream.asset(BODY)
    named = type(asset)("https://host.invalid/a.tgz", asset.sha256, asset.size)
    upstream.offer("/m/host.invalid/a.tgz", first)
    with pytest.raises(DownloadError, match=r"HTTP 403|is not the file that the lock pins"):
        get(named, configure(mirror=f"{upstream.url}/m"))
    upstream.offer(f"/m/assets/{asset.sha256}", upstream.whole(BODY))
    assert get(named, configure(mirror=f"{upstream.url}/m")).read_bytes() == BODY


def test_offline_a_folder_is_asked_and_nobody_else(
    get: Get, upstream: Upstream, configure: Any, tmp_path: Path
) -> None:
    (tmp_path / "m/assets").mkdir(parents=True)
    asset = upstream.asset(BODY)
    (tmp_path / "m/assets" / asset.sha256).write_bytes(BODY)
    options = {"mirror": str(tmp_path / "m"), "remote": f"{upstream.url}/r", "offline": "1"}
    for url in (asset.url, "npm:a/a-1.tgz"):
        get(type(asset)(url, asset.sha256, asset.size), configure(**options)).unlink()
    (tmp_path / "m/assets" / asset.sha256).unlink()
    for url in (asset.url, "npm:a/a-1.tgz"):
        with pytest.raises(DownloadError):
            get(type(asset)(url, asset.sha256, asset.size), configure(**options))
    assert upstream.requests == []


def test_resolving_happens_only_for_a_download(
    get: Get, upstream: Upstream, configure: Any
) -> None:
    asset = upstream.asset(BODY)
    named = type(asset)("pypi:thing", asset.sha256, asset.size)
    resolved: list[str] = []

    def resolve(url: str) -> str:
        resolved.append(url)
        return str(asset.url)

    for _ in range(2):
        get(named, configure(mirror="http://mirror.invalid"), resolve=resolve)
    assert resolved == ["pypi:thing"]


def test_offline_uses_only_the_store(get: Get, upstream: Upstream, configure: Any) -> None:
    asset = upstream.asset(BODY)
    with pytest.raises(DownloadError, match="BAKERY_OFFLINE") as caught:
        get(asset, configure(offline="1"))
    assert asset.url in str(caught.value)
    assert asset.sha256 in str(caught.value)
    assert upstream.requests == []
    path = get(asset)
    assert get(asset, configure(offline="1")) == path
