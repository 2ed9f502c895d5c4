"""Publishing to GitHub as it behaves: each request fails in each way, and many publish at once."""

from __future__ import annotations

import copy
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from harness import channels, prism
from harness.github import FAULTS, REPOSITORY, GitHub, Release
from harness.released import described, listed

from bakery.http.client import Client
from bakery.http.limits import Limits
from bakery.http.retry import RetryPolicy
from bakery.publish import release as transaction
from bakery.publish.github import Github
from bakery.publish.model import PublishError
from bakery.publish.release import DesiredRelease, LocalFile
from bakery.recipe.names import INDEX
from bakery.release import signing, sums
from bakery.release.index import CHANNEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from harness.github import Fault
    from harness.openpgp import Person

    from bakery.arch import Arch


NOW = RetryPolicy(tries=1)
PATIENT = RetryPolicy(tries=6, sleep=lambda _seconds: None)
CLIENT = Client(retry=NOW, limits=Limits(connect=5, stall=5))
TAG = "k3s-v1.32.2+k3s1"
MOVING = {"k3s", INDEX}
THREE = ("k3s-v1.31.9+k3s1", "k3s-v1.32.1+k3s1", "k3s-v1.32.2+k3s1")

RELEASES = "/repos/{owner}/{repo}/releases"
PATHS = [
    RELEASES,
    f"{RELEASES}/{{release_id}}",
    f"{RELEASES}/{{release_id}}/assets",
    f"{RELEASES}/assets/{{asset_id}}",
]


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub() as server:
        yield server


def files(tag: str) -> dict[str, bytes]:
    name, _, version = tag.partition("-")
    images: dict[Arch, bytes] = {
        "x86-64": f"image of {tag}".encode() * 4096,
        "arm64": f"other image of {tag}".encode() * 64,
    }
    transfer = f"{name}.transfer"
    return listed(
        {
            **{f"{tag}-{arch}.raw": data for arch, data in images.items()},
            transfer: b"[Transfer]\n",
            "release.json": described(name, version, images, transfers=(transfer,)),
        }
    )


def desired(folder: Path, tag: str = TAG) -> DesiredRelease:
    folder = folder / tag
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files(tag).items():
        (folder / name).write_bytes(data)
    found = tuple(LocalFile.of(folder / name) for name in files(tag))
    return DesiredRelease(tag=tag, notes="what is new", files=found)


def client(github: GitHub, owner: str = "us") -> Github:
    return Github(REPOSITORY, owner, environment=github.environment, client=CLIENT)


def watched(github: GitHub) -> list[str]:
    """Return what readers have seen of releases that they must not."""
    seen: list[str] = []

    def watch(public: list[Release]) -> None:
        seen.extend(
            f"{release.tag}: {sorted(release.files)}"
            for release in public
            if release.tag not in MOVING and release.files != files(release.tag)
        )

    github.watch = watch
    return seen


def test_a_release_is_published_whole_and_its_names_stay(github: GitHub, tmp_path: Path) -> None:
    seen = watched(github)
    transaction.publish(desired(tmp_path), client(github), NOW)
    (release,) = github.releases.values()
    assert (release.draft, release.name, release.body) == (False, TAG, "what is new")
    assert release.files == files(TAG)
    assert seen == []
    before = len(github.requests)
    transaction.publish(desired(tmp_path), client(github), NOW)
    assert [request.split()[0] for request in github.requests[before:]] == ["GET"]


@pytest.mark.parametrize("retry", [NOW, PATIENT], ids=["run-again", "one-run"])
@pytest.mark.parametrize("how", FAULTS)
def test_any_request_may_fail_in_any_way(how: Fault, retry: RetryPolicy, tmp_path: Path) -> None:
    want = desired(tmp_path)
    number = 0
    failed = True
    while failed:
        number += 1
        with GitHub() as github:
            seen = watched(github)
            github.fault = (number, how)
            try:
                transaction.publish(want, client(github), retry)
                failed = number <= len(github.requests)
            except PublishError:
                assert retry is NOW
                assert all(release.files == files(TAG) for release in github.public)
                transaction.publish(want, client(github), NOW)
            assert seen == [], (number, github.requests)
            assert github.drafts == [], (number, github.requests)
            assert [release.files for release in github.public] == [files(TAG)]
    assert number > len(want.files) + 4


@pytest.mark.parametrize("count", [2, 8])
def test_many_publish_one_release_at_once(github: GitHub, count: int, tmp_path: Path) -> None:
    seen = watched(github)
    want = desired(tmp_path)
    start = threading.Barrier(count, timeout=600)
    retry = RetryPolicy(tries=20, first=0.01, longest=0.05, jitter=0.01)

    def run(number: int) -> None:
        start.wait()
        transaction.publish(want, client(github, f"runner-{number}"), retry)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(run, range(count)))
    assert seen == []
    assert github.drafts == []
    assert [release.files for release in github.public] == [files(TAG)]


def test_a_draft_that_somebody_else_works_on_is_left_alone(github: GitHub, tmp_path: Path) -> None:
    somebody = client(github, "somebody")
    somebody.draft(TAG)
    (tmp_path / "x").write_bytes(b"half of it")
    somebody.upload(somebody.find(TAG)[0], "SHA256SUMS", tmp_path / "x")
    steps = transaction.steps(desired(tmp_path), client(github).find(TAG))
    assert [str(step) for step in steps] == [f"operator.methodcaller('draft', '{TAG}')"]


def test_a_published_image_is_never_replaced(github: GitHub, tmp_path: Path) -> None:
    want = desired(tmp_path)
    transaction.publish(want, client(github), NOW)
    want.files[0].path.write_bytes(b"another image")
    other = DesiredRelease(tag=TAG, notes="", files=tuple(LocalFile.of(f.path) for f in want.files))
    with pytest.raises(PublishError, match="is published with other files"):
        transaction.publish(other, client(github), NOW)
    assert github.public[0].files == files(TAG)


def test_what_another_has_signed_stays_if_the_images_are_the_same(
    github: GitHub, tmp_path: Path
) -> None:
    want = desired(tmp_path)
    transaction.publish(want, client(github), NOW)
    want.files[-1].path.write_bytes(b"the same sums, signed later")
    other = DesiredRelease(tag=TAG, notes="", files=tuple(LocalFile.of(f.path) for f in want.files))
    transaction.publish(other, client(github), NOW)
    assert github.public[0].files == files(TAG)


def test_a_file_that_a_published_release_has_lost_comes_back(
    github: GitHub, tmp_path: Path
) -> None:
    transaction.publish(desired(tmp_path), client(github), NOW)
    release = github.public[0]
    lost = release.named(f"{TAG}-arm64.raw")
    assert lost is not None
    del release.assets[lost.id]
    transaction.publish(desired(tmp_path), client(github), NOW)
    assert release.files == files(TAG)


def test_a_name_that_github_changes_is_refused(github: GitHub, tmp_path: Path) -> None:
    (tmp_path / "app-1~rc1.raw").write_bytes(b"image")
    want = DesiredRelease(tag="app-1", notes="", files=(LocalFile.of(tmp_path / "app-1~rc1.raw"),))
    with pytest.raises(PublishError, match=r"stores app-1~rc1.raw as app-1.rc1.raw"):
        transaction.publish(want, client(github), NOW)
    assert github.public == []


def test_a_wrong_or_missing_token_is_explained(github: GitHub, tmp_path: Path) -> None:
    environment = {**github.environment, "GITHUB_TOKEN": "mistyped"}
    publisher = Github(REPOSITORY, "us", environment=environment, client=CLIENT)
    with pytest.raises(PublishError) as caught:
        transaction.publish(desired(tmp_path), publisher, PATIENT)
    assert "HTTP 401 Bad credentials" in str(caught.value)
    assert "mistyped" not in str(caught.value)
    with pytest.raises(PublishError) as caught:
        Github(REPOSITORY, "us", environment={}).draft(TAG)
    assert "set GITHUB_TOKEN" in str(caught.value)


# Channels


def follow(
    github: GitHub, folder: Path, retry: RetryPolicy, owner: str = "us", *, minors: bool = True
) -> None:
    """Bring the channels of k3s, and the index, up to what is published."""
    channels.follow("k3s", client(github, owner), folder, retry, minors=minors)


def moved(github: GitHub, tag: str) -> Release:
    return next(release for release in github.public if release.tag == tag)


def images_of(*tags: str) -> set[str]:
    return {f"{tag}-{arch}.raw" for tag in tags for arch in ("x86-64", "arm64")}


def release_all(github: GitHub, folder: Path, *tags: str) -> None:
    for tag in tags:
        transaction.publish(desired(folder, tag), client(github), NOW)


def signed_release(github: GitHub, person: Person, folder: Path, tag: str) -> None:
    want = desired(folder, tag)
    index = folder / tag / sums.FILE
    signature = person.sign(index, armour=False).rename(index.with_name(sums.SIGNATURE))
    signed = DesiredRelease(tag=tag, notes="", files=(*want.files, LocalFile.of(signature)))
    transaction.publish(signed, client(github), NOW)


def holds(found: Mapping[str, bytes], keyring: bytes, folder: Path) -> bool:
    """Return whether a channel's list is there, and signed."""
    if not {sums.FILE, sums.SIGNATURE} <= found.keys():
        return False
    (folder / "keyring").write_bytes(keyring)
    (folder / "list").write_bytes(found[sums.FILE])
    (folder / "signature").write_bytes(found[sums.SIGNATURE])
    files = [str(folder / name) for name in ("keyring", "signature", "list")]
    command = ["gpgv", "--keyring", *files]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def check_channel(github: GitHub, *tags: str) -> None:
    """Require that the channel has just these versions, and that the index knows them."""
    found = moved(github, "k3s").files
    names = {line.split()[1] for line in found["SHA256SUMS"].decode().splitlines()}
    assert names == {*images_of(*tags), "k3s.transfer", CHANNEL}
    assert found.keys() == {*names, "SHA256SUMS"}
    for tag in tags:
        assert found[f"{tag}-arm64.raw"] == files(tag)[f"{tag}-arm64.raw"]
        assert tag in moved(github, INDEX).files["bakery.json"].decode()
    assert github.drafts == []


def test_channels_follow_the_newest_versions(github: GitHub, tmp_path: Path) -> None:
    release_all(github, tmp_path, *THREE[:2])
    follow(github, tmp_path / "a", NOW)
    check_channel(github, *THREE[:2])
    release_all(github, tmp_path, THREE[2])
    follow(github, tmp_path / "b", NOW)
    check_channel(github, *THREE[1:])
    assert images_of(*THREE[1:]) < moved(github, "k3s-v1.32").files.keys()
    assert images_of(THREE[0]) < moved(github, "k3s-v1.31").files.keys()
    before = len(github.requests)
    follow(github, tmp_path / "c", NOW)
    assert {request.split()[0] for request in github.requests[before:]} == {"GET"}


@pytest.mark.parametrize("how", FAULTS)
def test_a_channel_survives_any_failure(github: GitHub, how: Fault, tmp_path: Path) -> None:
    release_all(github, tmp_path, *THREE[:2])
    follow(github, tmp_path / "before", NOW, minors=False)
    release_all(github, tmp_path, THREE[2])
    before = github.releases
    number = 0
    failed = True
    while failed:
        number += 1
        github.releases = copy.deepcopy(before)
        started = len(github.requests)
        github.fault = (started + number, how)
        seen = watched(github)
        try:
            follow(github, tmp_path / "failing", NOW, minors=False)
            failed = started + number <= len(github.requests)
        except PublishError:
            follow(github, tmp_path / "again", NOW, minors=False)
        check_channel(github, *THREE[1:])
        assert seen == []
    assert number > 20


def test_a_damaged_channel_heals(github: GitHub, tmp_path: Path) -> None:
    release_all(github, tmp_path, *THREE[:2])
    follow(github, tmp_path / "a", NOW)
    first, *_, last = moved(github, "k3s").assets.values()
    first.data = b"damaged"
    del moved(github, "k3s").assets[last.id]
    follow(github, tmp_path / "b", NOW)
    check_channel(github, *THREE[:2])


def test_a_channel_that_a_run_has_left_in_the_middle_is_healed_by_any_other(
    github: GitHub, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = person.key("the publisher")
    monkeypatch.setenv(signing.KEY, person.gpg("--armor", "--export-secret-keys", key).decode())
    signed_release(github, person, tmp_path, THREE[0])
    follow(github, tmp_path / "a", NOW, minors=False)
    keyring = moved(github, "k3s").files[signing.KEYRING]
    signed_release(github, person, tmp_path, THREE[1])
    before = github.releases
    secret = os.environ[signing.KEY]
    started = len(github.requests)
    github.releases = copy.deepcopy(before)
    follow(github, tmp_path / "undisturbed", NOW, minors=False)
    changes = [
        number
        for number, request in enumerate(github.requests[started:], 1)
        if request.startswith(("DELETE", "PATCH")) and "/assets/" in request
    ]
    middles = 0
    for number in changes:
        github.releases = copy.deepcopy(before)
        github.fault = (len(github.requests) + number, "before")
        with pytest.raises(PublishError):
            follow(github, tmp_path / f"failing-{number}", NOW, minors=False)
        github.fault = None
        if not holds(moved(github, "k3s").files, keyring, tmp_path):
            middles += 1
            monkeypatch.delenv(signing.KEY)
            channels.session(client(github, "other"), tmp_path / "other", NOW).heal()
            monkeypatch.setenv(signing.KEY, secret)
            assert holds(moved(github, "k3s").files, keyring, tmp_path)
            assert f"{THREE[1]}-arm64.raw" in moved(github, "k3s").files["SHA256SUMS"].decode()
    assert middles == 3  # between the first of four requests and the last


@pytest.mark.parametrize("count", [2, 8])
def test_no_writer_loses_what_another_has_published(
    github: GitHub, count: int, tmp_path: Path
) -> None:
    tags = [f"k3s-v1.33.{number}+k3s1" for number in range(count)]
    retry = RetryPolicy(tries=100, first=0.01, longest=0.05, jitter=0.01)
    start = threading.Barrier(count, timeout=600)

    def run(number: int) -> None:
        start.wait()
        transaction.publish(desired(tmp_path, tags[number]), client(github, f"{number}"), retry)
        follow(github, tmp_path / f"scratch-{number}", retry, f"{number}")

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(run, range(count)))
    check_channel(github, *tags[-2:])


def test_every_request_and_answer_is_as_github_describes_them(
    github: GitHub, tmp_path: Path
) -> None:
    with prism.github(tmp_path, PATHS, before=github.url) as address:
        github.shown = address
        release_all(github, tmp_path, *THREE[:2])
        follow(github, tmp_path / "a", NOW)
        release_all(github, tmp_path, THREE[2])
        follow(github, tmp_path / "b", NOW)
    check_channel(github, *THREE[1:])
    kinds = {request.split()[0] for request in github.requests}
    assert kinds == {"GET", "POST", "PATCH", "DELETE"}
