from __future__ import annotations

import errno
import os
import signal
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from doit.exceptions import InvalidDodoFile
from harness.project import Project

from bakery.build.graph import Graph
from bakery.recipe import lock as lockfile
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """summary: {name}
homepage: https://example.com
license: MIT
build: {build}
requires: {requires}
arch: {{x86-64: x, arm64: a}}
assets: [{{url: 'https://example.com/{name}-{{version}}-{{arch}}', install: usr/bin/{name}}}]
"""


def add(root: Path, name: str, *, locked: list[str], build: list[str], requires: list[str]) -> None:
    folder = root / "recipes" / name
    folder.mkdir(parents=True)
    quoted = [f"'{version}'" for version in build]
    (folder / "recipe.yaml").write_text(
        RECIPE.format(
            name=name, build=f"[{', '.join(quoted)}]", requires=f"[{', '.join(requires)}]"
        )
    )
    versions = {
        version: LockedVersion(
            assets=tuple(
                LockedAsset(
                    url=f"https://example.com/{name}-{version}-{arch}",
                    sha256=f"{index}{ord(version[0]):x}{len(name):x}".ljust(64, "0"),
                    trust="first-use",
                )
                for index, arch in enumerate("xa")
            )
        )
        for version in locked
    }
    (folder / "lock.json").write_bytes(lockfile.encode(Lock(versions=versions)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add(tmp_path, "base", locked=["1.0", "2.0"], build=["1.0", "2.0"], requires=[])
    add(tmp_path, "middle", locked=["1.0"], build=["1.0"], requires=["base"])
    add(tmp_path, "top", locked=["3.0"], build=["3.0", "4.0"], requires=["middle"])
    return tmp_path


def test_every_locked_version_has_images_and_a_fixed_one_has_a_reason(root: Path) -> None:
    graph = Graph(root, [])
    assert [release.name for release in graph.releases] == [
        *("base-1.0", "base-2.0", "middle-1.0", "top-3.0", "top-4.0")
    ]
    unlocked = graph.releases[-1]
    assert unlocked.images == ()
    assert unlocked.problem is not None
    assert unlocked.problem.fix == "bakery lock top 4.0"


def test_what_is_required_comes_newest_and_of_the_same_architecture(root: Path) -> None:
    graph = Graph(root, [])
    top = next(image for image in graph.images if image.id == "top-3.0-arm64")
    assert [image.id for image in graph.required(top)] == ["middle-1.0-arm64", "base-2.0-arm64"]


def test_an_asset_is_fetched_once_however_many_images_use_it(root: Path) -> None:
    graph = Graph(root, [])
    names = [name for name, _, _ in graph.assets()]
    assert len(names) == len(set(names)) == 8


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["list"],
        ["build"],
        ["build:base"],
        ["build:b*"],
        ["-n", "4", "squash:base-1.0-x86-64"],
        ["clean", "build:top-3.0"],
        ["list", "--all", "build"],
    ],
)
def test_what_is_there_is_accepted(root: Path, words: list[str]) -> None:
    Graph(root, words)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("build:bsae", "did you mean build:base?"),
        ("build:base-3.0", "base 3.0 is not locked"),
        ("build:zzzzzz*", "there is no task build:zzzzzz*"),
        ("skuash:base-1.0-x86-64", "did you mean squash:base-1.0-x86-64?"),
        ("base", "did you mean build:base?"),
        ("base-2.0", "did you mean build:base-2.0?"),
    ],
)
def test_what_is_not_there_is_refused_with_what_was_meant(root: Path, word: str, says: str) -> None:
    with pytest.raises(InvalidDodoFile) as caught:
        Graph(root, [word])
    assert says in str(caught.value)


def test_where_no_recipes_are_somebody_is_told_how_to_begin(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    with pytest.raises(InvalidDodoFile, match="bakery new"):
        Graph(tmp_path, [])


def test_cleaning_that_fails_is_explained(root: Path) -> None:
    def refuse() -> None:
        raise OSError(errno.EACCES, "Permission denied", "/srv/dist/image")

    task = Graph(root, []).task("base-1.0", lambda _: None, clean=refuse)
    (remove,) = task["clean"]
    assert "where: /srv/dist/image" in remove().message
    assert " at 0x" not in str(remove).partition(" at ")[0]


def test_a_broken_recipe_is_one_message(root: Path) -> None:
    (root / "recipes/base/recipe.yaml").write_text("sumary: x\n")
    with pytest.raises(InvalidDodoFile, match="did you mean summary"):
        Graph(root, [])


def test_what_is_published_in_the_same_run_comes_before_channels(root: Path) -> None:
    graph = Graph(root, ["publish:base-2*", "channel:base"])
    base = [release for release in graph.releases if release.source.name == "base"]
    assert graph.asked(base) == ["publish:base-2.0"]
    assert Graph(root, ["channel:base"]).asked(base) == []


def test_boots_come_before_publishing_unless_they_are_waived(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = Graph(root, []).releases[0]
    boots = ["boot:base-1.0-x86-64", "boot:base-1.0-arm64"]
    assert Graph(root, []).required_boots(release) == boots
    monkeypatch.setenv("BAKERY_BOOT_WAIVER", "arm64: no machine for it")
    assert Graph(root, []).required_boots(release) == boots[:1]
    monkeypatch.setenv("BAKERY_BOOT_WAIVER", "nspawn:trixie: broken; base-1.0-*: a reason")
    assert Graph(root, []).required_boots(release) == []


def test_what_the_computer_refuses_is_explained(root: Path) -> None:
    def work(_meter: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/dist/image")

    def mistake(_meter: object) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    graph = Graph(root, [])
    (action,) = graph.task("full", work)["actions"]
    failed = action[0](SimpleNamespace(name="full"))
    assert "where: /srv/dist/image" in failed.message
    assert "make room" in failed.message
    (action,) = graph.task("mistake", mistake)["actions"]
    with pytest.raises(OSError, match="Bad file descriptor"):
        action[0](SimpleNamespace(name="mistake"))


def test_the_menu_ends_in_silence_when_nobody_reads_on(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    add(project.root, "base", locked=["1.0"], build=["1.0"], requires=[])
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            project.command("doit", "list"),
            cwd=project.root,
            env=project.environment,
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writing)
    assert done.stderr == b""
    assert done.returncode == -signal.SIGPIPE
