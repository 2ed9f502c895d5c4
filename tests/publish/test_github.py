"""What GitHub refuses for good is told at once, and its token stays with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness import channels
from harness.github import REPOSITORY, GitHub

from bakery.http.client import Client
from bakery.http.retry import RetryPolicy
from bakery.publish import release as transaction
from bakery.publish.github import Github
from bakery.publish.model import PublishError
from bakery.publish.release import DesiredRelease, LocalFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CREATE, UPLOAD, CHANGE = "POST .*/releases$", "POST .*/assets", "PATCH .*/releases/[0-9]+$"


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub() as server:
        yield server


@pytest.fixture
def publisher(github: GitHub) -> Github:
    client = Client(retry=RetryPolicy(sleep=lambda _seconds: None))
    return Github(REPOSITORY, "us", environment=github.environment, client=client)


@pytest.fixture
def desired(tmp_path: Path) -> DesiredRelease:
    image, described = tmp_path / "app-1-arm64.raw", tmp_path / "release.json"
    image.write_bytes(b"image")
    described.write_bytes(b"{}")
    return DesiredRelease(
        tag="app-1", notes="", files=(LocalFile.of(image), LocalFile.of(described))
    )


def custom(message: str, **more: str) -> list[dict[str, str]]:
    return [{"resource": "Release", "code": "custom", "message": message, **more}]


RULE = (
    "pre_receive Repository rule violations found\n\n"
    "Cannot create ref due to creations being restricted.\n\n"
)


@pytest.mark.parametrize(
    ("asks", "status", "message", "errors", "fix"),
    [
        (UPLOAD, 422, "Cannot upload assets to an immutable release.", [], "another version"),
        (
            CHANGE,
            422,
            "Validation Failed",
            custom("tag_name was used by an immutable release", field="tag_name"),
            "another version",
        ),
        (CHANGE, 422, "Validation Failed", custom(RULE, field="pre_receive"), "a ruleset"),
        (CREATE, 422, "Repository is empty.", custom("Repository is empty."), "no commit"),
        (CREATE, 409, "Git Repository is empty.", [], "no commit"),
        (CREATE, 404, "Not Found", [], "GITHUB_TOKEN may write"),
        (CHANGE, 404, "Not Found", [], "GITHUB_TOKEN may write"),
        (UPLOAD, 404, "Not Found", [], "GITHUB_TOKEN may write"),
        (CREATE, 403, "Resource not accessible by integration", [], "GITHUB_TOKEN may write"),
        (UPLOAD, 422, "Validation Failed", custom("size is wrong"), "GITHUB_TOKEN may write"),
    ],
)
def test_what_no_waiting_heals_is_told_at_once(
    github: GitHub,
    publisher: Github,
    desired: DesiredRelease,
    *,
    asks: str,
    status: int,
    message: str,
    errors: list[dict[str, str]],
    fix: str,
) -> None:
    github.refuses = {asks: (status, message, errors)}
    slept: list[float] = []
    with pytest.raises(PublishError) as caught:
        transaction.publish(desired, publisher, RetryPolicy(sleep=slept.append))
    assert slept == []
    assert f"HTTP {status} {message}" in str(caught.value.why)
    assert all(" ".join(error["message"].split()) in str(caught.value.why) for error in errors)
    assert fix in str(caught.value.fix)
    assert "run it again" not in str(caught.value) or "then run it again" in str(caught.value)


def test_what_exists_already_deserves_another_look(
    github: GitHub, publisher: Github, desired: DesiredRelease
) -> None:
    exists = [{"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}]
    github.refuses = {UPLOAD: (422, "Validation Failed", exists)}
    slept: list[float] = []

    def wait(seconds: float) -> None:
        slept.append(seconds)
        github.refuses = {}

    transaction.publish(desired, publisher, RetryPolicy(sleep=wait))
    assert len(slept) == 1
    assert [release.tag for release in github.public] == ["app-1"]


def test_what_somebody_else_has_deleted_is_gone(github: GitHub, publisher: Github) -> None:
    publisher.draft("app-1")
    (draft,) = publisher.find("app-1")
    github.releases.clear()
    publisher.discard(draft)
    assert publisher.releases() == []


def test_with_immutable_releases_no_channel_begins(
    github: GitHub, publisher: Github, desired: DesiredRelease, tmp_path: Path
) -> None:
    github.immutable = True
    transaction.publish(desired, publisher, RetryPolicy(tries=1))
    with pytest.raises(PublishError, match="releases are immutable here") as caught:
        channels.follow("app", publisher, tmp_path / "scratch", RetryPolicy(tries=1))
    assert "BAKERY_CHANNELS=directory:site" in str(caught.value.fix)
    assert [release.tag for release in github.public] == ["app-1"]
    assert github.drafts == []


def test_a_file_is_never_added_to_an_immutable_release(
    github: GitHub, publisher: Github, desired: DesiredRelease
) -> None:
    github.immutable = True
    transaction.publish(desired, publisher, RetryPolicy(tries=1))
    github.public[0].assets.clear()
    with pytest.raises(PublishError) as caught:
        transaction.publish(desired, publisher, RetryPolicy(tries=6))
    assert "publish another version" in str(caught.value.fix)


@pytest.mark.parametrize("following", ["http://localhost:{port}/x", "http://127.0.0.1:1/x"])
def test_pages_elsewhere_get_no_token(github: GitHub, publisher: Github, following: str) -> None:
    github.following = following.format(port=github.server_port)
    with pytest.raises(PublishError, match="another server for its list of releases"):
        publisher.releases()
    assert len(github.requests) == 1


def test_pages_without_end(github: GitHub, publisher: Github) -> None:
    github.following = f"{github.url}/repos/{REPOSITORY}/releases?per_page=100"
    with pytest.raises(PublishError, match="list does not end"):
        publisher.releases()
    assert len(github.requests) == 1


@pytest.mark.parametrize("uploads", ["http://localhost:{port}", "http://127.0.0.1:1", "x", ""])
def test_uploads_elsewhere_get_neither_token_nor_bytes(
    github: GitHub, publisher: Github, desired: DesiredRelease, uploads: str
) -> None:
    github.uploads = uploads.format(port=github.server_port) or "http://["
    with pytest.raises(PublishError, match="another server for the place for uploads"):
        transaction.publish(desired, publisher, RetryPolicy(tries=1))
    assert not [request for request in github.requests if "/assets" in request]


@pytest.mark.parametrize(
    ("api", "uploads"),
    [
        ("https://api.github.com", "https://uploads.github.com/repos/o/r/releases/1/assets"),
        ("https://api.me.ghe.com", "https://uploads.me.ghe.com/repos/o/r/releases/1/assets"),
        ("https://git.me.org/api/v3", "https://git.me.org/api/uploads/repos/o/r/releases/1/assets"),
    ],
)
def test_uploads_go_to_githubs_own_servers(api: str, uploads: str) -> None:
    from bakery.upstream.github import GithubRelease

    publisher = Github("o/r", "us", environment={"GITHUB_API_URL": api})
    release = GithubRelease(tag_name="x", upload_url=f"{uploads}{{?name,label}}")
    assert publisher._upload_url(release) == uploads
