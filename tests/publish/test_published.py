"""Which recipe and version a release is of is what its release.json says, if its files agree."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from harness import channels
from harness.released import index, release

from bakery.files import sha256
from bakery.http import limits
from bakery.http.retry import RetryPolicy
from bakery.publish.directory import Directory
from bakery.release import index as indexes
from bakery.store.folder import SEAL_MODE, SEAL_MTIME_NS, Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bakery.arch import Arch

ONCE = RetryPolicy(tries=1)


def images(text: str) -> dict[Arch, bytes]:
    return {"x86-64": text.encode(), "arm64": text.encode() * 2}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Docker's releases, and one of a recipe whose tag reads like another of docker's."""
    root = tmp_path / "published"
    for version in ("20.10.9", "20.10.13"):
        release(root, "docker", version, images(version))
    release(root, "docker-99", "1", images("no docker"))
    return root


def follow(root: Path, name: str, tmp_path: Path, *, minors: bool = False) -> list[str]:
    publisher = Directory(root, "us")
    return channels.follow(name, publisher, tmp_path / "scratch", ONCE, minors=minors)


def listed(root: Path, channel: str) -> dict[str, list[str]]:
    """Return what a channel says of itself: the files of each release, by its tag."""
    said = indexes.decode((root / channel / indexes.CHANNEL).read_bytes())
    return {each.tag: [image.file for image in each.images] for each in said.releases}


def change(path: Path, act: Callable[[Any], object]) -> None:
    said = json.loads(path.read_bytes())
    act(said)
    path.write_text(json.dumps(said))


def test_a_tag_that_reads_like_another_recipes_version(root: Path, tmp_path: Path) -> None:
    follow(root, "docker", tmp_path)
    assert list(listed(root, "docker")) == ["docker-20.10.13", "docker-20.10.9"]
    assert not list((root / "docker").glob("docker-99*"))
    said = indexes.decode((root / "bakery/bakery.json").read_bytes())
    assert [(each.name, each.version) for each in said.releases] == [
        ("docker", "20.10.13"),
        ("docker", "20.10.9"),
        ("docker-99", "1"),
    ]


def test_a_series_that_is_called_like_a_version_has_no_channel(root: Path, tmp_path: Path) -> None:
    release(root, "docker", "27.1", images("27.1"))
    release(root, "docker", "27.1.4", images("27.1.4"))
    release(root, "docker", "9", images("9"))
    follow(root, "docker", tmp_path, minors=True)
    assert sorted(path.parent.name for path in root.glob("*/channel.json")) == [
        "docker",
        "docker-20.10",
    ]


def rewrite(at: Path, act: Callable[[Any], object]) -> None:
    """Change a release's release.json, and list it as it is now."""
    change(at / "release.json", act)
    index(at)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            lambda at: (at / "release.json").write_text("{}"),
            r"release\.json is not the file that its SHA256SUMS names",
        ),
        (lambda at: (at / "release.json").unlink(), r"release\.json is not the file"),
        (lambda at: rewrite(at, lambda said: said.clear()), "missing required field"),
        (
            lambda at: rewrite(at, lambda said: said.update(version="99.1")),
            "its release.json is of docker-99.1",
        ),
        (
            lambda at: rewrite(at, lambda said: said.update(name="tool\nx")),
            r"regex|not shown",
        ),
        (
            lambda at: (at / "docker-99.0-arm64.raw").write_bytes(b"swapped"),
            r"docker-99\.0-arm64\.raw is not the file that its SHA256SUMS names",
        ),
        (
            lambda at: (
                (at / "docker-99.0-arm64.raw").write_bytes(b"swapped"),
                index(at),
            ),
            r"docker-99\.0-arm64\.raw has another digest",
        ),
        (lambda at: (at / "docker-99.0-arm64.raw").unlink(), "is not the file"),
        (
            lambda at: (at / "docker-99.0-riscv64.raw").write_bytes(b"more"),
            r"does not describe docker-99\.0-riscv64\.raw",
        ),
        (lambda at: (at / "SHA256SUMS").unlink(), "SHA256SUMS is not there"),
        (lambda at: (at / "SHA256SUMS").write_bytes(b"sums"), "line 1 is no SHA-256"),
        (lambda at: (at / "SHA256SUMS").write_bytes(b""), "does not name release.json"),
        (lambda at: os.truncate(at / "SHA256SUMS", limits.DOCUMENT + 1), "too much to be true"),
        (
            lambda at: rewrite(at, lambda said: said["images"][0].update(file="other.raw")),
            r"does not name other\.raw",
        ),
        (
            lambda at: rewrite(at, lambda said: said.update(images=[])),
            "names no image file",
        ),
        (
            lambda at: rewrite(at, lambda said: said.update(transfers=["docker.transfer"])),
            r"does not name docker\.transfer",
        ),
    ],
)
def test_what_does_not_hold_is_left_out_and_stops_nothing_else(
    root: Path, tmp_path: Path, damage: Callable[[Path], object], says: str
) -> None:
    damage(release(root, "docker", "99.0", images("99")))
    told = follow(root, "docker", tmp_path)
    assert list(listed(root, "docker")) == ["docker-20.10.13", "docker-20.10.9"]
    (alarm,) = [line for line in told if line.startswith("left out: ")]
    assert re.match(f"left out: docker-99.0, since .*({says})", alarm)


def test_a_file_that_the_store_has_altered_is_named(root: Path, tmp_path: Path) -> None:
    follow(root, "docker", tmp_path)
    path = Store(tmp_path / "scratch/store").path(sha256(root / "docker-20.10.13/SHA256SUMS"))
    path.chmod(0o644)
    path.write_bytes(b"altered, and sealed all the same")
    path.chmod(SEAL_MODE)
    os.utime(path, ns=(SEAL_MTIME_NS, SEAL_MTIME_NS))
    (alarm,) = [line for line in follow(root, "docker", tmp_path) if line.startswith("left out: ")]
    assert "docker-20.10.13, since its SHA256SUMS has changed in the store" in alarm


def test_transfer_files_come_from_the_newest_release_that_vouches_for_them(
    root: Path, tmp_path: Path
) -> None:
    def with_transfer(version: str, text: str) -> None:
        files = ("docker.transfer",)
        at = release(root, "docker", version, images(version), transfers=files)
        (at / "docker.transfer").write_text(text)
        index(at)

    with_transfer("30", "old")
    with_transfer("31", "new")
    unvouched = release(root, "docker", "32", images("32"))
    (unvouched / "docker.transfer").write_text("somebody's")
    follow(root, "docker", tmp_path)
    assert (root / "docker/docker.transfer").read_text() == "new"
    assert list(listed(root, "docker")) == ["docker-32", "docker-31"]
    for version in ("33", "34"):
        release(root, "docker", version, images(version))
    follow(root, "docker", tmp_path)
    assert (root / "docker/docker.transfer").read_text() == "new"
    assert "docker.transfer" in (root / "docker/SHA256SUMS").read_text()


def test_versions_that_have_had_their_time_leave_a_channel(root: Path, tmp_path: Path) -> None:
    follow(root, "docker", tmp_path)
    (root / "docker/docker.transfer").write_text("nobody vouches for it any more")
    release(root, "docker", "20.10.14", images("20.10.14"))
    follow(root, "docker", tmp_path)
    assert list(listed(root, "docker")) == ["docker-20.10.14", "docker-20.10.13"]
    assert {path.name for path in (root / "docker").iterdir()} == {
        *("docker-20.10.14-x86-64.raw", "docker-20.10.14-arm64.raw"),
        *("docker-20.10.13-x86-64.raw", "docker-20.10.13-arm64.raw"),
        *("channel.json", "SHA256SUMS"),
    }
