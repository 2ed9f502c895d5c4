from __future__ import annotations

import errno
import hashlib
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from harness import channels
from harness.released import described, listed

from bakery import files
from bakery.arch import ARCHITECTURES
from bakery.http.retry import RetryPolicy
from bakery.publish import directory, release
from bakery.publish.directory import Directory
from bakery.publish.model import PublishError, UnsettledError
from bakery.publish.release import DesiredRelease, LocalFile
from bakery.recipe.names import INDEX
from bakery.release import sums

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.publish.model import Publisher

NOW = RetryPolicy(tries=1)
SHORT = RetryPolicy(tries=100, first=0.001, longest=0.005)
TAGS = ("app-1.0", "app-1.1", "app-2.0")
CHANGES = ("draft", "upload", "publish", "swap", "delete", "discard", "fetch")


class Failing:
    """A publisher whose n-th change does not happen, or happens without an answer."""

    def __init__(self, real: Publisher, number: int, how: str) -> None:
        self._real = real
        self._how = how
        self.left = number

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name not in CHANGES:
            return real

        def change(*words: Any, **options: Any) -> None:
            self.left -= 1
            if self.left == 0 and self._how == "before":
                raise UnsettledError("no connection")
            real(*words, **options)
            if self.left == 0:
                raise UnsettledError("no answer")

        return change


def built(tag: str) -> dict[str, bytes]:
    name, _, version = tag.partition("-")
    images: dict[Arch, bytes] = {arch: f"{tag} {arch}".encode() for arch in ARCHITECTURES}
    return listed(
        {
            **{f"{tag}-{arch}.raw": data for arch, data in images.items()},
            "app.conf": b"[Transfer]\n",
            "release.json": described(name, version, images, transfers=("app.conf",)),
        }
    )


def desired(folder: Path, tag: str) -> DesiredRelease:
    folder = folder / "built" / tag
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in built(tag).items():
        (folder / name).write_bytes(data)
    return DesiredRelease(
        tag=tag, notes="", files=tuple(LocalFile.of(folder / name) for name in built(tag))
    )


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def follow(publisher: Publisher, folder: Path, retry: RetryPolicy = NOW) -> None:
    channels.follow("app", publisher, folder, retry)


def require(root: Path, *tags: str) -> None:
    found = read(root / "app")
    listed = sums.decode(found.pop("SHA256SUMS"))
    signed = {"SHA256SUMS.gpg", "SHA256SUMS.asc"}
    assert {name: hashlib.sha256(found[name]).hexdigest() for name in listed} == listed
    assert found.keys() - signed == listed.keys()
    assert {name for name in listed if name.endswith(".raw")} == {
        f"{tag}-{arch}.raw" for tag in tags for arch in ("x86-64", "arm64")
    }
    for tag in tags:
        assert f'"tag": "{tag}"' in (root / INDEX / "bakery.json").read_text()


def test_releases_are_laid_out_as_in_githubs_addresses(tmp_path: Path) -> None:
    root = tmp_path / "www"
    release.publish(desired(tmp_path, TAGS[0]), Directory(root, "us"), NOW)
    assert read(root / TAGS[0]) == built(TAGS[0])
    assert (root / TAGS[0] / "SHA256SUMS").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("how", ["before", "after"])
def test_any_change_may_fail(how: str, tmp_path: Path) -> None:
    number = 0
    failed = True
    while failed:
        number += 1
        root = tmp_path / f"{number}"
        real = Directory(root, "us")
        for tag in TAGS[:2]:
            release.publish(desired(tmp_path, tag), real, NOW)
        follow(real, tmp_path / "scratch")
        shutil.rmtree(tmp_path / "scratch")
        failing = Failing(real, number, how)
        try:
            release.publish(desired(tmp_path, TAGS[2]), failing, NOW)
            follow(failing, tmp_path / "scratch")
            failed = failing.left <= 0
        except PublishError:
            assert not (root / TAGS[2]).exists() or read(root / TAGS[2]) == built(TAGS[2])
            release.publish(desired(tmp_path, TAGS[2]), real, NOW)
            follow(real, tmp_path / "scratch")
        shutil.rmtree(tmp_path / "scratch")
        require(root, *TAGS[1:])
        assert list((root / ".drafts").rglob("app*")) == []
    assert number > 12


@pytest.mark.parametrize("count", [2, 8])
def test_many_publish_at_once(count: int, tmp_path: Path) -> None:
    root = tmp_path / "www"
    tags = [f"app-3.{number}" for number in range(count)]
    everything = [desired(tmp_path, tag) for tag in tags]
    start = threading.Barrier(count, timeout=60)

    def run(number: int) -> None:
        publisher = Directory(root, f"runner-{number}")
        start.wait()
        for each in everything:
            release.publish(each, publisher, SHORT)
        follow(publisher, tmp_path / f"scratch-{number}", SHORT)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(run, range(count)))
    for tag in tags:
        assert read(root / tag) == built(tag)
    require(root, *tags[-2:])


def test_a_lost_or_damaged_channel_heals(tmp_path: Path) -> None:
    root = tmp_path / "www"
    publisher = Directory(root, "us")
    for tag in TAGS:
        release.publish(desired(tmp_path, tag), publisher, NOW)
    damages: list[Callable[[], object]] = [
        lambda: (root / "app/app-2.0-arm64.raw").write_bytes(b"rotten"),
        (root / "app/SHA256SUMS").unlink,
        lambda: (root / "app/SHA256SUMS").write_bytes(b"older"),
        lambda: shutil.copy(root / "app-1.0/app-1.0-arm64.raw", root / "app"),
        lambda: shutil.rmtree(root / "app"),
        lambda: shutil.rmtree(root / INDEX),
    ]
    for number, damage in enumerate(damages):
        follow(publisher, tmp_path / f"scratch-{number}")
        damage()
        follow(Directory(root, "us"), tmp_path / f"scratch-{number}-again")
        require(root, *TAGS[1:])


def test_what_is_not_ours_stays_in_a_channel(tmp_path: Path) -> None:
    root = tmp_path / "www"
    release.publish(desired(tmp_path, TAGS[0]), Directory(root, "us"), NOW)
    follow(Directory(root, "us"), tmp_path / "a")
    newer = root / "app/app-9.0-arm64.raw"  # another writer is about to list it
    newer.write_bytes(b"newer")
    (root / "app/README").write_bytes(b"by hand")
    release.publish(desired(tmp_path, TAGS[1]), Directory(root, "us"), NOW)
    follow(Directory(root, "us"), tmp_path / "b")
    assert newer.exists()
    assert (root / "app/README").exists()


def test_a_channel_changes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "www"
    publisher = Directory(root, "us")
    release.publish(desired(tmp_path, TAGS[0]), publisher, NOW)
    follow(publisher, tmp_path / "a")
    release.publish(desired(tmp_path, TAGS[1]), publisher, NOW)
    before = read(root / "app")
    states: dict[str, list[dict[str, bytes]]] = {}

    def watched(one: Path, other: Path) -> None:
        states[other.name] = [read(other)]
        files.exchange(one, other)
        states[other.name].append(read(other))

    monkeypatch.setattr(directory, "exchange", watched)
    follow(publisher, tmp_path / "b")
    old, new = states["app"]
    assert {name: old[name] for name in before} == before
    require(root, *TAGS[:2])
    changed = {"SHA256SUMS", "channel.json"}
    assert {name for name in before if old[name] != new[name]} == changed
    assert {name: new[name] for name in changed} == {
        name: (root / "app" / name).read_bytes() for name in changed
    }
    assert not list(root.glob(".swap*"))


def test_a_channel_changes_where_files_have_one_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(target: Path, link: Path) -> None:
        raise PermissionError(errno.EPERM, "no hard links", str(target), None, str(link))

    root = tmp_path / "www"
    publisher = Directory(root, "us")
    release.publish(desired(tmp_path, TAGS[0]), publisher, NOW)
    follow(publisher, tmp_path / "a")
    release.publish(desired(tmp_path, TAGS[1]), publisher, NOW)
    monkeypatch.setattr(type(root), "hardlink_to", refuse)
    follow(publisher, tmp_path / "b")
    require(root, *TAGS[:2])


def test_a_folder_that_nobody_may_write_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PublishError) as caught:
        release.publish(desired(tmp_path, TAGS[0]), Directory(tmp_path / "file/www", "us"), NOW)
    assert "BAKERY_PUBLISHER" in str(caught.value)


def test_what_would_be_done_is_told(tmp_path: Path) -> None:
    publisher = Directory(tmp_path / "www", "us")
    want = desired(tmp_path, TAGS[0])
    told = release.preview(want, publisher.find(want.tag))
    assert told[0] == "create a draft of app-1.0"
    assert told[1].startswith("upload app-1.0-x86-64.raw (")
    publisher.draft(want.tag)
    publisher.upload(publisher.find(want.tag)[0], want.files[0].name, want.files[0].path)
    assert release.preview(want, publisher.find(want.tag))[0].startswith("keep app-1.0-x86-64.raw")
    assert not (tmp_path / "www/app-1.0").exists()


def test_a_link_that_leads_nowhere_is_told_at_once(tmp_path: Path) -> None:
    """What it leads to is not mounted, and no other try would help."""
    place = tmp_path / "releases"
    place.symlink_to(tmp_path / "nowhere")
    with pytest.raises(PublishError, match="a link that leads nowhere"):
        Directory(place, "me").draft("app-1.0")
