"""Which recipe and version a release is of is what its release.json says, if its files agree."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from harness import channels
from harness.released import release

from bakery.http.retry import RetryPolicy
from bakery.publish.directory import Directory
from bakery.publish.published import Catalogue
from bakery.release import index as indexes
from bakery.store.folder import Store

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


def follow(root: Path, name: str, tmp_path: Path, *, minors: bool = False) -> None:
    channels.follow(name, Directory(root, "us"), tmp_path / "scratch", ONCE, minors=minors)


def listed(root: Path, channel: str) -> dict[str, list[str]]:
    """Return what a channel says of itself: the files of each release, by its tag."""
    index = indexes.decode((root / channel / indexes.CHANNEL).read_bytes())
    return {each.tag: [image.file for image in each.images] for each in index.releases}


def change(path: Path, act: Callable[[Any], object]) -> None:
    said = json.loads(path.read_bytes())
    act(said)
    path.write_text(json.dumps(said))


def test_a_tag_that_reads_like_another_recipes_version(root: Path, tmp_path: Path) -> None:
    follow(root, "docker", tmp_path)
    assert list(listed(root, "docker")) == ["docker-20.10.13", "docker-20.10.9"]
    assert not list((root / "docker").glob("docker-99*"))
    index = indexes.decode((root / "bakery/bakery.json").read_bytes())
    assert [(each.name, each.version) for each in index.releases] == [
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


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda at: (at / "release.json").write_text("{}"), "missing required field"),
        (lambda at: (at / "release.json").write_text("{"), "truncated"),
        (
            lambda at: change(at / "release.json", lambda said: said.update(version="99.1")),
            "its release.json is of docker-99.1",
        ),
        (
            lambda at: change(at / "release.json", lambda said: said.update(name="tool\nx")),
            r"regex|not shown",
        ),
        (
            lambda at: (at / "docker-99.0-arm64.raw").write_bytes(b"swapped"),
            r"docker-99\.0-arm64\.raw is not the file that its release\.json names",
        ),
        (lambda at: (at / "docker-99.0-arm64.raw").unlink(), "is not the file"),
        (
            lambda at: change(
                at / "release.json", lambda said: said["images"][0].update(file="other.raw")
            ),
            r"other\.raw is not what docker-99\.0 is called",
        ),
        (
            lambda at: change(at / "release.json", lambda said: said.update(images=[])),
            "names no image file",
        ),
    ],
)
def test_what_does_not_hold_is_left_out_and_stops_nothing_else(
    root: Path, tmp_path: Path, damage: Callable[[Path], object], says: str
) -> None:
    damage(release(root, "docker", "99.0", images("99")))
    follow(root, "docker", tmp_path)
    assert list(listed(root, "docker")) == ["docker-20.10.13", "docker-20.10.9"]
    catalogue = Catalogue(Directory(root, "us"), Store(tmp_path / "store"))
    catalogue.editions(Directory(root, "us").releases())
    assert list(catalogue.refused) == ["docker-99.0"]
    assert re.search(says, catalogue.refused["docker-99.0"])


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
