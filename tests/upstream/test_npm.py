"""What npm's real client says of a registry that answers as npm's documentation has it."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import hashlib
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.service import Reply

from bakery.recipe.npm import NpmVersion
from bakery.recipe.upstreams import NpmUpstream
from bakery.scaffold import on_npm
from bakery.upstream import npm
from bakery.upstream.errors import NotFoundError, UpstreamError
from bakery.upstream.versions import offers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.service import Service
    from upstream.conftest import Clients

    from bakery.recipe.policy import Published

pytestmark = needs.programs("npm")

SHA512 = hashlib.sha512(b"app").digest()
INTEGRITY = f"sha512-{base64.b64encode(SHA512).decode()}"


class Registry:
    """A registry, and what is asked of it."""

    def __init__(self, service: Service, clients: Clients) -> None:
        self.service = service
        self._clients = clients

    def publish(
        self,
        *versions: str,
        name: str = "app",
        deprecated: Mapping[str, str] | None = None,
        integrity: str = INTEGRITY,
        companions: Sequence[str] = (),
        **tags: str,
    ) -> None:
        """Publish versions, oldest first; the last one is the latest, unless a tag says so."""
        documents = {
            version: {
                "name": name,
                "version": version,
                "optionalDependencies": dict.fromkeys(companions, version),
                "dist": {
                    "tarball": f"{self.service.url}/kept/elsewhere/{version}",
                    "integrity": integrity,
                    "shasum": "0" * 40,
                },
            }
            for version in versions
        }
        for version, why in (deprecated or {}).items():
            documents[version]["deprecated"] = why
        self.service.offer(
            "/" + name.replace("/", "%2f"),
            {
                "name": name,
                "dist-tags": {"latest": versions[-1], **tags},
                "versions": documents,
                "time": {"created": "2019-12-31T00:00:00.000Z"}
                | {version: f"2020-01-0{n}T12:00:00.000Z" for n, version in enumerate(versions, 1)},
            },
        )

    def offers(self, dist_tag: str = "latest", *, prerelease: bool = False) -> list[Published]:
        upstream = NpmUpstream(npm="app", dist_tag=dist_tag, prerelease=prerelease)
        with self._clients.api() as api:
            return offers(upstream, api)


@pytest.fixture
def registry(
    service: Service, clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Registry:
    (tmp_path / "npmrc").touch()
    for name, value in {
        "registry": f"{service.url}/",
        "cache": tmp_path / "npm",
        "userconfig": tmp_path / "npmrc",
        "globalconfig": tmp_path / "none",
        "fetch_retries": "0",
    }.items():
        monkeypatch.setenv(f"npm_config_{name}", str(value))
    return Registry(service, clients)


def tags(published: list[Published]) -> list[str]:
    return [item.tag for item in published]


def test_a_draft_passes_over_companions_that_are_named_and_not_there(
    registry: Registry, clients: Clients
) -> None:
    registry.publish("1.0.0", companions=("app-linux-x64-musl", "app-linux-x64"))
    registry.publish("1.0.0", name="app-linux-x64")
    with clients.api() as api:
        draft = on_npm.look("app", "app", "1.0.0", api)
        assert draft.files["x86-64"].label == "app-linux-x64"
        missing = "x86-64: the registry does not have app-linux-x64-musl@1.0.0"
        assert draft.notes == ("app 1.0.0", missing, "x86-64: app-linux-x64")
        registry.publish("1.0.0", companions=("app-linux-arm64",))
        with pytest.raises(NotFoundError, match="app-linux-arm64"):
            on_npm.look("app", "app", "1.0.0", api)


def test_versions_are_those_up_to_the_latest(registry: Registry) -> None:
    registry.publish(
        *("1.0.0-1", "1.0.0", "1.1.0", "1.2.0", "2.0.0-rc.1", "2.0.0"),
        latest="1.2.0",
        next="2.0.0-rc.1",
        deprecated={"1.1.0": "broken"},
    )
    found = registry.offers()
    assert tags(found) == ["1.0.0", "1.2.0"]
    assert found[0].date == dt.date(2020, 1, 2)
    assert tags(registry.offers("next")) == ["1.0.0", "1.2.0", "2.0.0-rc.1"]
    assert tags(registry.offers(prerelease=True))[-2:] == ["2.0.0-rc.1", "2.0.0"]


@pytest.mark.parametrize("deprecated", [{}, {"1.0.0": "use another package"}])
def test_a_package_with_one_version(registry: Registry, deprecated: dict[str, str]) -> None:
    registry.publish("1.0.0", deprecated=deprecated)
    assert tags(registry.offers()) == ["1.0.0"]


def test_a_package_that_is_deprecated_as_a_whole_still_has_versions(registry: Registry) -> None:
    registry.publish("1.0.0", "1.1.0", deprecated={"1.0.0": "old", "1.1.0": "old"})
    assert tags(registry.offers()) == ["1.0.0", "1.1.0"]


def test_a_package_of_previews_alone(registry: Registry) -> None:
    registry.publish("1.0.0-beta.1", "1.0.0-beta.2")
    assert tags(registry.offers()) == ["1.0.0-beta.2"]


def test_an_unknown_dist_tag_is_explained(registry: Registry) -> None:
    registry.publish("1.0.0", next="1.0.0")
    with pytest.raises(UpstreamError, match="did you mean next") as caught:
        registry.offers("nxt")
    assert "latest, next" in str(caught.value)


def test_an_unknown_package_is_explained(registry: Registry) -> None:
    with pytest.raises(NotFoundError, match="npm view app versions"):
        registry.offers()


def test_what_is_no_registry_is_explained(registry: Registry) -> None:
    registry.service.offer("/app", Reply(b"<html>Log in first</html>"))
    with pytest.raises(UpstreamError, match="npm config list"):
        registry.offers()


def test_a_refusal_is_told_in_npms_words(registry: Registry) -> None:
    registry.service.offer("/app", Reply(b"{}", status=403))
    with pytest.raises(UpstreamError, match="403 Forbidden"):
        registry.offers()


def test_offline_npm_is_not_asked(registry: Registry, clients: Clients) -> None:
    registry.publish("1.0.0")
    with clients.api() as api:
        api.settings = dataclasses.replace(api.settings, offline=True)
        with pytest.raises(UpstreamError, match="BAKERY_OFFLINE"):
            offers(NpmUpstream(npm="app"), api)
    assert registry.service.asked == []


@pytest.mark.parametrize("name", ["app", "@scope/app-x64"])
def test_a_file_has_the_digest_that_the_registry_gives(registry: Registry, name: str) -> None:
    registry.publish("1.0.0", "1.1.0", name=name)
    address = NpmVersion(name, "1.0.0").address
    found = npm.offer(address)
    assert found.address == address
    assert found.digests == {f"sha512:{SHA512.hex()}"}
    assert found.url == npm.resolve(address) == f"{registry.service.url}/kept/elsewhere/1.0.0"


@pytest.mark.parametrize("integrity", ["", "sha1-C+7Hteo/D9vJXQ3UfzxbwnXaijM="])
def test_sha1_is_no_evidence(registry: Registry, integrity: str) -> None:
    registry.publish("1.0.0", integrity=integrity)
    assert npm.offer("npm:app/app-1.0.0.tgz").digests == frozenset()


def test_of_many_algorithms_those_that_count_are_taken(registry: Registry) -> None:
    registry.publish("1.0.0", integrity=f"sha1-C+7Hteo/D9vJXQ3UfzxbwnXaijM= {INTEGRITY}")
    assert npm.offer("npm:app/app-1.0.0.tgz").digests == {f"sha512:{SHA512.hex()}"}


@pytest.mark.parametrize("version", ["9.9.9", "latest"])
def test_only_the_very_version_will_do(registry: Registry, version: str) -> None:
    registry.publish("1.0.0")
    with pytest.raises(NotFoundError, match=f"app@{version}"):
        npm.offer(f"npm:app/app-{version}.tgz")


def test_logins_are_npms_own(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.publish("1.0.0")
    host = registry.service.url.removeprefix("http:")
    (tmp_path / "npmrc").write_text(f"{host}/:_authToken=${{NPM_TOKEN}}\n")
    monkeypatch.setenv("NPM_TOKEN", "secret")
    npm.offer("npm:app/app-1.0.0.tgz")
    assert {asked.headers["Authorization"] for asked in registry.service.asked} == {"Bearer secret"}
