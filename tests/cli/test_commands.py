"""Every command explains itself, at once, and names that are none bring the nearest."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from harness.project import REPOSITORY, TOOL, TOOL_URL, Project

from bakery.cli import main
from bakery.store import users
from bakery.store.folder import Store

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

DATA = b"#!/bin/sh\n"
HEAVY = {"doit", "msgspec", "requests", "requests_cache", "rich", "yaml", "zstandard"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with one recipe, and its folder as the current one."""
    project = Project(tmp_path / "project")
    project.add("tool", **{"recipe.yaml": TOOL})
    project.lock("tool", "1.0", {TOOL_URL: hashlib.sha256(DATA).hexdigest()})
    monkeypatch.setenv("BAKERY_STORE", str(project.store))
    monkeypatch.chdir(project.root)
    return project


def bakery(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def stored(project: Project, data: bytes, folder: Path) -> Path:
    (folder / "new").write_bytes(data)
    return Store(project.store).adopt(folder / "new", hashlib.sha256(data).hexdigest())


def test_help_says_all_of_what_each_command_does() -> None:
    shown = CliRunner().invoke(main, ["--help"], terminal_width=80)
    assert shown.exit_code == 0
    assert "..." not in shown.output.partition("Commands:")[2]
    for name in main.commands:
        assert f"\n  {name} " in shown.output


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help(name: str) -> None:
    done = bakery(name, "--help")
    assert done.exit_code == 0
    assert f"Usage: main {name} " in done.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["outdatd"], "did you mean bakery outdated?"),
        (["biuld", "tool"], "tasks are done by `doit build:tool`"),
        (["stage"], "tasks are done by `doit stage`"),
        (["zzz"], "there is no command zzz"),
        (["provision", "tooll"], "did you mean tool?"),
        (["provision", "tol-1.0", "--format", "shell"], "did you mean tool?"),
        (["install", "toll", "--root", "."], "did you mean tool?"),
        (["boot", "tool"], "to build and boot it: doit boot:tool"),
        (["sign-channels", "tool"], "bakery sign-channels DIR tool"),
        (["sign-channels", "index", "tool"], "bakery sign-channels DIR index tool"),
        (["sign-channels", "new", "tol"], "did you mean tool?"),
        (["sign-channels", "new"], "nothing is published, so no channel can be signed"),
        (["publish", "tool-1.1"], "did you mean dist/tool-1.0?"),
        (["publish", "recipes/tol"], "did you mean recipes/tool?"),
        (["publish", "nowhere"], "'nowhere' does not exist"),
        (["verify-release", "tool-1.1"], "did you mean dist/tool-1.0?"),
        (["verify-release", "nowhere"], "there is no such folder"),
        (["agree", "recipe", "--matrix", "{}"], "did you mean recipes?"),
        (["restore", "nowhere", "--agreed", "{}"], "'nowhere' does not exist"),
        (["times", "nowhere"], "'nowhere' does not exist"),
        (["move-channels", "nowhere"], "there are no signed channels"),
        (["boot", "tool-1.0-x86-64"], "to build and boot it: doit boot:tool-1.0-x86-64"),
        *(([each, "tol"], "did you mean tool?") for each in ("lint", "ls", "try", "verify")),
        *(([each, "tol"], "did you mean tool?") for each in ("update", "outdated")),
        *(([each, "tol", "1.0"], "did you mean tool?") for each in ("lock", "why")),
    ],
    ids=" ".join,
)
def test_names_that_are_none_bring_the_nearest(
    project: Project, words: list[str], says: str
) -> None:
    (project.root / "dist/tool-1.0").mkdir(parents=True)
    before = {*project.root.rglob("*")}
    done = bakery(*words)
    assert {*project.root.rglob("*")} == before
    assert done.exit_code in (1, 2)
    assert done.output.count(says) == 1
    assert "Traceback" not in done.output


@pytest.mark.usefixtures("project")
def test_a_shard_that_has_left_nothing_is_told_of() -> None:
    done = bakery("restore", ".", "--agreed", "{}", "--shard", "x86-64-1")
    assert done.exit_code == 0  # runners may be lost
    assert done.output == "nothing of a shard x86-64-1 is agreed on; there are: none\n"


def test_a_channel_that_is_not_published_brings_the_nearest_recipe(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKERY_PUBLISH_URL", tmp_path.as_uri())
    told = bakery("provision", "tol").output
    assert (told.count("did you mean tool?"), "no channel tol" in told) == (1, True)
    assert "did you mean" not in bakery("provision", "tool").output
    project.recipes.rename(tmp_path / "elsewhere")
    assert "did you mean" not in bakery("provision", "tol").output


def test_help_waits_for_nothing_heavy() -> None:
    code = "import sys, bakery.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert HEAVY.isdisjoint(done.stdout.split())


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("command", ["lock", "update", "outdated", "verify"])
def test_an_unknown_recipe_is_explained(command: str) -> None:
    done = bakery(command, "tol")
    assert done.exit_code == 1
    assert done.output == "error: there is no recipe tol\n  fix:   did you mean tool?\n"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("tool", "one two"), "versions are 1.2.3 or v1.2.3+k3s1"),
        (("tool", "1.0", "--part", "cni"), "write --part cni=v1.6.2"),
    ],
)
def test_a_mistyped_lock_is_explained(words: tuple[str, ...], says: str) -> None:
    done = bakery("lock", *words)
    assert done.exit_code == 1
    assert says in done.output


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--debian", "app", "--unit"], "packages take no --unit"),
        (["--debian", "app", "--version", "1"], "packages take no --version"),
        (["--pypi", "app", "other"], "what is other?"),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_new_recipe_takes_what_its_source_has(words: list[str], problem: str) -> None:
    done = bakery("new", "app", *words)
    assert (done.exit_code, problem in done.output) == (1, True)


def test_a_new_recipe_needs_one_source(project: Project) -> None:
    done = bakery("new", "app", "--pypi", "app", "--github", "example/app")
    assert done.exit_code == 1
    assert "--npm PACKAGE, --url ADDRESS or --debian PACKAGE" in done.output
    assert not (project.recipes / "app").exists()


def test_settings_tell_where_they_come_from(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.recipes / "tool")
    lines = {line.split()[0]: line.split()[1:] for line in bakery("settings").output.splitlines()}
    assert lines["recipes"] == [str(project.recipes), "default"]
    assert lines["store"] == [str(project.store), "BAKERY_STORE"]
    assert lines["mirror"] == ["-", "default"]


def test_settings_that_are_lists_are_printed_as_they_are_written(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.recipes)
    waivers = "arm64: no machine; nspawn:forky: too new"
    monkeypatch.setenv("BAKERY_BOOT_WAIVER", waivers)
    monkeypatch.setenv("BAKERY_MACHINES", "nspawn:bookworm nspawn:forky")
    done = bakery("settings")
    assert done.exit_code == 0
    assert f" {waivers} " in done.output
    assert " nspawn:bookworm nspawn:forky " in done.output


def test_the_schema_of_recipes_is_the_one_in_the_package() -> None:
    path = REPOSITORY / "bakery/recipe/recipe.schema.json"
    assert bakery("schema").output == path.read_text("utf-8")
    assert "ReleaseDocument" in bakery("schema", "release").output


def test_gc_keeps_what_locks_name(project: Project, tmp_path: Path) -> None:
    locked = stored(project, DATA, tmp_path)
    other = stored(project, b"other", tmp_path)
    told = bakery("gc", "--limit", "0", "--dry-run").output.splitlines()
    digest = hashlib.sha256(b"other").hexdigest()[:12]
    assert told[0].startswith(f"would go: {digest}     5 bytes  used ")
    assert told[0].endswith("locked nowhere")
    assert told[-1].startswith("would go: 1 asset ")
    assert other.exists()
    assert "removed: 1 asset " in bakery("gc", "--limit", "0").output
    assert (locked.exists(), other.exists()) == (True, False)
    assert "  tool-1.0" in bakery("gc", "--limit", "0", "--all").output
    assert not locked.exists()


def test_gc_keeps_what_the_locks_of_others_name(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = stored(project, DATA, tmp_path)
    users.register(Store(project.store), project.recipes)
    other = Project(tmp_path / "other")
    other.add("thing", **{"recipe.yaml": TOOL})
    monkeypatch.chdir(other.root)
    for words in (["--limit", "0"], ["--limit", "0", "--all"]):
        told = bakery("gc", *words).output
        assert f"1 asset kept for {project.recipes}, which shares the store" in told
        assert locked.exists()
    moved = project.recipes.rename(tmp_path / "moved")
    assert f"nothing is kept for {project.recipes}" in bakery("gc", "--dry-run").output
    assert users.known(Store(project.store)).vanished == (project.recipes,)
    assert "removed: 1 asset" in bakery("gc", "--limit", "0").output
    assert not locked.exists()
    moved.rename(project.recipes)
    assert users.known(Store(project.store)) == users.Users((), ())


def test_a_build_makes_its_bakery_known(project: Project) -> None:
    project.run("doit", "build:tool", BAKERY_OFFLINE="1")
    assert users.known(Store(project.store)).recipes == (project.recipes,)


@pytest.mark.usefixtures("project")
def test_the_matrix_is_json_for_a_workflow() -> None:
    (job,) = json.loads(bakery("matrix").output)["include"]
    assert (job["build"], job["boot"]) == ("check:tool-1.0-x86-64", "boot:tool-1.0-x86-64")


@pytest.mark.usefixtures("project")
def test_what_was_not_handed_over_is_left_out_and_said(tmp_path: Path) -> None:
    divided = bakery("matrix").output
    done = bakery("agree", str(tmp_path), "--matrix", divided)
    assert (done.exit_code, done.stdout) == (1, "{}\n")
    assert "left out: tool-1.0/tool-1.0-x86-64.raw was not handed over" in done.stderr
    done = bakery("restore", str(tmp_path), "--boots", "--agreed", "{}")
    assert (done.exit_code, done.output) == (0, "")


@pytest.mark.usefixtures("project")
def test_a_try_looks_at_the_machine_before_it_builds() -> None:
    done = bakery("try", "tool", "--on", "nspawn:sid")
    assert done.exit_code == 1
    assert "there is no machine 'nspawn:sid'" in done.output
    assert "nspawn:trixie" in done.output
