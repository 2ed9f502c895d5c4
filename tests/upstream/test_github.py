from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness.service import Reply

from bakery.upstream.errors import UpstreamError
from bakery.upstream.github import digest_of

if TYPE_CHECKING:
    from harness.service import Service
    from upstream.conftest import Clients

A = "a" * 64
URL = "https://github.com/o/r/releases/download/v1/app"
API = "/repos/o/r/releases/tags/v1"


def release(*assets: dict[str, Any]) -> dict[str, Any]:
    return {"tag_name": "v1", "assets": list(assets)}


def test_the_digest_of_an_asset(service: Service, clients: Clients) -> None:
    service.offer(API, release({"name": "app.asc"}, {"name": "app", "digest": f"sha256:{A}"}))
    with clients.api() as api:
        assert digest_of(URL, api) == A


@pytest.mark.parametrize(
    "asset",
    [
        {"name": "other", "digest": f"sha256:{A}"},
        {"name": "app"},
        {"name": "app", "digest": None},
        {"name": "app", "digest": f"sha512:{A}{A}"},
        {"name": "app", "digest": "sha256:"},
    ],
)
def test_a_digest_that_is_not_there(
    service: Service, clients: Clients, asset: dict[str, Any]
) -> None:
    service.offer(API, release(asset))
    with clients.api() as api:
        assert digest_of(URL, api) is None


def test_signs_in_tags_and_names(service: Service, clients: Clients) -> None:
    asset = {"name": "app+x", "digest": f"sha256:{A}"}
    service.offer("/repos/o/r/releases/tags/v1%2Bk3s1", release(asset))
    service.offer("/repos/o/r/releases/tags/api%2Fv1", release(asset))
    with clients.api() as api:
        for path in ("v1+k3s1/app+x", "v1%2Bk3s1/app%2Bx", "api%2Fv1/app+x"):
            assert digest_of(f"https://github.com/o/r/releases/download/{path}", api) == A


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/o/r/releases/download/v1/app",
        "https://github.com/o/r/archive/refs/tags/v1.tar.gz",
        "https://github.com.example.org/o/r/releases/download/v1/app",
        "https://github.com/o/r/releases/latest/download/app",
    ],
)
def test_github_is_asked_about_assets_of_its_releases_alone(
    service: Service, clients: Clients, url: str
) -> None:
    with clients.api() as api:
        assert digest_of(url, api) is None
    assert service.asked == []


def test_an_enterprise_server_knows_its_own_assets(service: Service, clients: Clients) -> None:
    service.offer(API, release({"name": "app", "digest": f"sha256:{A}"}))
    with clients.api(GITHUB_SERVER_URL="https://git.example.org") as api:
        assert digest_of(URL, api) is None
        assert digest_of(URL.replace("github.com", "git.example.org"), api) == A


def test_a_mirror_may_have_assets_alone(service: Service, clients: Clients) -> None:
    with clients.api(mirrored=True) as api:
        assert digest_of(URL, api) is None
    assert service.statuses == [404]


def test_a_refusal_is_no_missing_digest(service: Service, clients: Clients) -> None:
    service.offer(API, Reply(b"{}", 403, validated=False))
    with clients.api() as api, pytest.raises(UpstreamError):
        digest_of(URL, api)
