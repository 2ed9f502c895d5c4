from __future__ import annotations

import errno
import os
import runpy
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from doit.exceptions import InvalidDodoFile
from harness.project import REPOSITORY, Project

from bakery import interrupts
from bakery.arch import native_arch
from bakery.build import graph as graphs
from bakery.build import menu as menus
from bakery.build.step import Made, Nothing, Step
from bakery.recipe import lock as lockfile
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bakery.build.graph import Graph
    from bakery.build.project import Project as BuildProject

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
    shutil.copy(REPOSITORY / "dodo.py", tmp_path)
    add(tmp_path, "base", locked=["1.0", "2.0"], build=["1.0", "2.0"], requires=[])
    add(tmp_path, "middle", locked=["1.0"], build=["1.0"], requires=["base"])
    add(tmp_path, "top", locked=["3.0"], build=["3.0", "4.0"], requires=["middle"])
    return tmp_path


@pytest.fixture(autouse=True)
def signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(interrupts, "install", lambda *_: None)  # this process is pytest's
    before = signal.getsignal(signal.SIGPIPE)  # `doit list` changes it
    yield
    signal.signal(signal.SIGPIPE, before)


def dodo(root: Path, *words: str) -> dict[str, Any]:
    """Return what dodo.py defines for a command line."""
    given, sys.argv = sys.argv, ["doit", *words]
    try:
        return runpy.run_path(str(root / "dodo.py"))
    finally:
        sys.argv = given


def graph(root: Path, *words: str) -> Graph:
    loaded: Graph = dodo(root, *words)["bakery"]
    return loaded


def project(root: Path, *words: str) -> BuildProject:
    return graph(root, *words).project


def tasks(root: Path, *words: str) -> dict[str, dict[str, Any]]:
    """Return the tasks that doit gets for a command line, by name."""
    defined = dodo(root, *words)
    made: dict[str, dict[str, Any]] = {}
    for kind, creator in defined.items():
        if kind.startswith("task_"):
            created = creator()
            for task in [] if isinstance(created, dict) else created:  # one that stands alone
                made[task.get("basename") or f"{kind[5:]}:{task['name']}"] = task
    return made


def test_every_locked_version_has_images_and_a_fixed_one_has_a_reason(root: Path) -> None:
    loaded = project(root)
    assert [release.name for release in loaded.releases] == [
        *("base-1.0", "base-2.0", "middle-1.0", "top-3.0", "top-4.0")
    ]
    unlocked = loaded.releases[-1]
    assert unlocked.images == ()
    assert unlocked.problem is not None
    assert unlocked.problem.fix == "bakery lock top 4.0"


def test_what_is_required_comes_newest_and_of_the_same_architecture(root: Path) -> None:
    loaded = project(root)
    top = next(image for image in loaded.images if image.id == "top-3.0-arm64")
    assert [image.id for image in loaded.required(top)] == ["middle-1.0-arm64", "base-2.0-arm64"]


def test_an_asset_is_fetched_once_however_many_images_use_it(root: Path) -> None:
    assert len(project(root).assets) == 8
    assert len([name for name in tasks(root, "list") if name.startswith("fetch:")]) == 8


def test_what_is_named_decides_what_is_loaded(root: Path) -> None:
    assert [source.name for source in project(root, "build:top-3.0").sources] == [
        *("base", "middle", "top")
    ]
    assert [source.name for source in project(root, "boot:base").sources] == ["base"]
    assert [source.name for source in project(root, "squash:mid*").sources] == ["base", "middle"]
    for words in ((), ("build",), ("check:together",), ("build:base", "publish"), ("fetch:*-0*",)):
        assert len(project(root, *words).sources) == 3


def test_what_is_not_needed_is_no_task(root: Path) -> None:
    assert sorted(tasks(root, "squash:base-1.0-arm64")) == [
        "fetch:base-1.0-a-131400000000",
        "squash:base-1.0-arm64",
        "stage:base-1.0-arm64",
    ]
    kinds = {name.partition(":")[0] for name in tasks(root)}
    assert kinds == {"build", "check", "squash", "stage", "fetch"}
    assert {name.partition(":")[0] for name in tasks(root, "list")} == {
        *kinds,
        *("boot", "release", "publish", "channel"),
    }


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
        ["boot:base"],
        ["release:base-1.0", "channel:index"],
    ],
)
def test_what_is_there_is_accepted(root: Path, words: list[str]) -> None:
    graph(root, *words)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("build:bsae", "did you mean build:base?"),
        ("build:base-3.0", "base 3.0 is not locked"),
        ("build:zzzzzz*", "no task is called like build:zzzzzz"),
        ("skuash:base-1.0-x86-64", "did you mean squash:base-1.0-x86-64?"),
        ("squash:bsae-1.0-x86-64", "did you mean squash:base-1.0-x86-64?"),
        ("check:base", "take check:base-1.0-x86-64 or"),
        ("base", "did you mean build:base?"),
        ("base-2.0", "did you mean build:base-2.0?"),
    ],
)
def test_what_is_not_there_is_refused_with_what_was_meant(root: Path, word: str, says: str) -> None:
    with pytest.raises(InvalidDodoFile) as caught:
        graph(root, word)
    assert says in str(caught.value)


def test_where_no_recipes_are_somebody_is_told_how_to_begin(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "dodo.py", tmp_path)
    (tmp_path / "recipes").mkdir()
    with pytest.raises(InvalidDodoFile, match="bakery new"):
        graph(tmp_path)


def test_cleaning_that_fails_is_explained(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied", "/srv/dist/image")

    loaded = graph(root, "clean", "build:base-1.0")
    monkeypatch.setattr(loaded.state, "clean", refuse)
    (remove,) = next(t for t in loaded.tasks("build") if t["name"] == "base-1.0")["clean"]
    assert "where: /srv/dist/image" in remove().message
    assert " at 0x" not in str(remove).partition(" at ")[0]


def test_the_menu_tells_tiers_and_what_has_a_lock(root: Path) -> None:
    recipe = root / "recipes/top/recipe.yaml"
    recipe.write_text(recipe.read_text() + "tier: core\n")
    (root / "recipes/base/lock.json").unlink()
    menu = tasks(root, "list")
    assert (menu["build:top"]["doc"][:6], menu["build:top"]["doc"][-7:]) == ("----  ", " [core]")
    middle = menu["build:middle"]["doc"]
    assert (middle[:6], middle[-12:]) == ("L---  ", " [community]")
    assert menu["build:base"]["doc"].startswith("----  ")


def test_a_recipe_is_broken_for_those_who_need_it_alone(root: Path) -> None:
    (root / "recipes/middle/recipe.yaml").write_text("sumary: x\n")
    loaded = project(root)
    assert [source.name for source in loaded.sources] == ["base"]
    assert {name: "did you mean summary" in str(loaded.broken[name]) for name in loaded.broken} == {
        "middle": True,
        "top": True,
    }
    assert not project(root, "build:base-1.0").broken
    assert tasks(root, "list")["build:middle"]["doc"].startswith("----  broken: ")
    with pytest.raises(InvalidDodoFile, match="did you mean summary"):
        graph(root, "squash:top-3.0-arm64")


@pytest.mark.parametrize("kind", ["build", "boot"])
def test_asking_for_what_can_not_be_done_says_why(root: Path, kind: str) -> None:
    add(root, "new", locked=[], build=[], requires=[])
    recipe = root / "recipes/new/recipe.yaml"
    recipe.write_text(
        recipe.read_text().replace("build: []", "upstream: {pypi: new}\nbuild: [latest]")
    )
    (root / "recipes/empty").mkdir()
    for name, says in (("new", "bakery lock new VERSION"), ("empty", "recipe.yaml")):
        ((action,),) = tasks(root, f"{kind}:{name}")[f"{kind}:{name}"]["actions"]
        assert says in action().message


def test_boot_stands_for_the_newest_image_of_this_machine(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tasks(root, "boot:base")["boot:base"]
    assert task["task_dep"] == [f"boot:base-2.0-{native_arch()}"]
    monkeypatch.setattr(graphs, "native_arch", lambda: "riscv64")
    ((action,),) = tasks(root, "boot:base")["boot:base"]["actions"]
    assert "doit boot:base-2.0-arm64" in action().message
    (root / "recipes/base/lock.json").write_bytes(lockfile.encode(Lock()))
    ((action,),) = tasks(root, "boot:base")["boot:base"]["actions"]
    assert "bakery lock base 2.0" in action().message


def test_what_is_published_in_the_same_run_comes_before_channels(root: Path) -> None:
    made = tasks(root, "publish:base-2*", "channel:base", "channel:index")
    for channel in ("base", "index"):
        assert made[f"channel:{channel}"]["task_dep"] == ["publish:base-2.0"]
    assert tasks(root, "channel:base")["channel:base"]["task_dep"] == []


def test_boots_come_before_a_release_unless_they_are_waived(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boots = ["boot:base-1.0-x86-64", "boot:base-1.0-arm64"]
    checks = ["check:base-1.0-x86-64", "check:base-1.0-arm64"]
    made = tasks(root, "publish:base-1.0")
    assert made["publish:base-1.0"]["task_dep"] == ["release:base-1.0"]
    assert made["release:base-1.0"]["task_dep"] == [*checks, *boots]
    monkeypatch.setenv("BAKERY_BOOT_WAIVER", "arm64: no machine for it")
    made = tasks(root, "publish:base-1.0")
    assert made["release:base-1.0"]["task_dep"] == [*checks, boots[0]]
    monkeypatch.setenv("BAKERY_BOOT_WAIVER", "nspawn:trixie: broken; base-1.0-*: a reason")
    made = tasks(root, "publish:base-1.0")
    assert made["release:base-1.0"]["task_dep"] == checks
    assert not set(boots) & set(made)


def test_a_preview_does_nothing_before(root: Path) -> None:
    made = tasks(root, "publish:base-1.0", "channel:base", "--dry-run")
    assert sorted(made) == ["channel:base", "publish:base-1.0"]
    assert made["publish:base-1.0"]["task_dep"] == []
    ((act,),) = made["publish:base-1.0"]["actions"]
    assert "doit release:base-1.0" in act(SimpleNamespace(name="")).message


def test_what_the_computer_refuses_is_explained(root: Path) -> None:
    def full(_: object) -> Made[Nothing]:
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/dist/image")

    def mistake(_: object) -> Made[Nothing]:
        raise OSError(errno.EBADF, "Bad file descriptor")

    loaded = graph(root, "list")
    for run in (full, mistake):
        step = Step(kind="fetch", name=run.__name__, facts=Nothing, run=run, is_done=lambda: False)
        loaded.add(step)
    made = {task["name"]: task["actions"][0][0] for task in loaded.tasks("fetch")}
    failed = made["full"](None)
    assert "where: /srv/dist/image" in failed.message
    assert "make room" in failed.message
    with pytest.raises(OSError, match="Bad file descriptor"):
        made["mistake"](None)


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


@pytest.mark.parametrize("columns", ["60", "80"])
def test_the_menu_fits_a_narrow_terminal(root: Path, columns: str) -> None:
    name = "b" * 21
    add(root, name, locked=["1.0"], build=["1.0"], requires=[])
    recipe = root / "recipes" / name / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace(f"summary: {name}", f"summary: {'so on, ' * 9}"))
    done = subprocess.run(
        [sys.executable, "-m", "doit", "list"],
        cwd=root,
        env=os.environ | {"COLUMNS": columns},
        capture_output=True,
        text=True,
        check=True,
    )
    legend, *lines = done.stdout.splitlines()
    assert legend == menus.LEGEND.strip()
    assert f"build:{name}   L---  so on, so" in done.stdout
    assert max(map(len, lines)) <= int(columns)
