"""Channels of a repository whose releases never change, in a folder or in another repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness.channels import session
from harness.github import REPOSITORY, TOKEN, GitHub
from harness.released import release

from bakery import settings
from bakery.http.client import Client
from bakery.http.retry import RetryPolicy
from bakery.publish import publishers
from bakery.publish import release as transaction
from bakery.publish.channel import Channels
from bakery.publish.directory import Directory
from bakery.publish.github import Github
from bakery.publish.publishers import Apart
from bakery.publish.release import DesiredRelease, LocalFile
from bakery.publish.session import of_recipe
from bakery.release import sums

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bakery.publish.model import Publisher
    from bakery.publish.session import PublishSession

ONCE = RetryPolicy(tries=1)
APP = of_recipe("app", minors=False)


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub() as server:
        server.immutable = True
        yield server


def client(server: GitHub) -> Github:
    retry = RetryPolicy(sleep=lambda _seconds: None)
    return Github(REPOSITORY, "us", environment=server.environment, client=Client(retry=retry))


def publish(publisher: Publisher, folder: Path, version: str) -> None:
    at = release(folder, "app", version, {"x86-64": version.encode() * 100})
    files = tuple(map(LocalFile.of, sorted(at.iterdir())))
    transaction.publish(DesiredRelease(tag=at.name, notes="", files=files), publisher, ONCE)


def mover(releases: Publisher, channels: Publisher, folder: Path) -> PublishSession:
    return session(releases, folder, ONCE, channels=Apart(releases, channels))


@pytest.fixture(params=["a folder", "another repository"])
def channels(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Publisher]:
    if request.param == "a folder":
        yield Directory(tmp_path / "site", "us")
        return
    with GitHub() as server:
        yield client(server)


def held(channels: Publisher) -> set[str]:
    (channel,) = [each for each in channels.releases() if each.tag == "app"]
    assert channel.asset(sums.FILE)
    return {asset.name for asset in channel.assets if asset.name.endswith(".raw")}


def test_a_channel_moves_beside_immutable_releases(
    github: GitHub, channels: Publisher, tmp_path: Path
) -> None:
    releases = client(github)
    for number, version in enumerate(("1", "2", "3"), 1):
        publish(releases, tmp_path / "made", version)
        before = len(github.requests)
        told = mover(releases, channels, tmp_path / "work").move("app", APP)
        assert {each.split()[0] for each in github.requests[before:]} == {"GET"}
        kept = ("1", "2", "3")[max(0, number - 2) : number]
        assert held(channels) == {f"app-{each}-x86-64.raw" for each in kept}
        assert told == ["http://localhost:8000/app"]
    assert mover(releases, channels, tmp_path / "work").preview(APP) == ["nothing is to be done"]
    assert {each.tag for each in github.public} == {"app-1", "app-2", "app-3"}


def test_what_signs_needs_no_right_to_write(
    github: GitHub, channels: Publisher, tmp_path: Path
) -> None:
    releases = client(github)
    publish(releases, tmp_path / "made", "1")
    signed = tmp_path / "signed"
    mover(releases, channels, tmp_path / "work").sign(signed, {"app": APP, "index": Channels.index})
    assert channels.releases() == []
    mover(releases, channels, tmp_path / "work").move_signed(signed)
    assert held(channels) == {"app-1-x86-64.raw"}
    assert {each.tag for each in channels.releases()} == {"app", "bakery"}


def test_a_channel_from_before_is_left_as_it_is(
    github: GitHub, channels: Publisher, tmp_path: Path
) -> None:
    github.immutable = False
    releases = client(github)
    publish(releases, tmp_path / "made", "1")
    session(releases, tmp_path / "work", ONCE).move("app", APP)
    github.immutable = True
    publish(releases, tmp_path / "made", "2")
    (old,) = [each for each in github.public if each.tag == "app"]
    before = {asset.name: asset.data for asset in old.assets.values()}
    mover(releases, channels, tmp_path / "work").move("app", APP)
    assert held(channels) == {"app-1-x86-64.raw", "app-2-x86-64.raw"}
    assert {asset.name: asset.data for asset in old.assets.values()} == before


def test_settings_name_both_places_and_the_token_of_the_other(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", github.shown)
    monkeypatch.setenv("GITHUB_TOKEN", "of the releases' repository")
    monkeypatch.setenv("BAKERY_CHANNELS_TOKEN", TOKEN)
    given = {"BAKERY_PUBLISHER": f"directory:{tmp_path / 'published'}"}
    assert publishers.channel_publisher(settings.load(tmp_path, given)) is None
    given["BAKERY_CHANNELS"] = f"github:{REPOSITORY}"
    channels = publishers.channel_publisher(settings.load(tmp_path, given))
    assert channels is not None
    channels.draft("app")
    assert [each.tag for each in github.drafts] == ["app"]
