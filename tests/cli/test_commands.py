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
from bakery.store.folder import Store

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

DATA = b"#!/bin/sh\n"
HEAVY = {"doit", "elftools", "msgspec", "requests", "requests_cache", "rich", "yaml", "zstandard"}


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


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help(name: str) -> None:
    done = bakery(name, "--help")
    assert done.exit_code == 0
    assert f"Usage: main {name} " in done.output


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


def test_the_schema_of_recipes_is_the_one_in_the_package() -> None:
    path = REPOSITORY / "bakery/recipe/recipe.schema.json"
    assert bakery("schema").output == path.read_text("utf-8")
    assert "ReleaseDocument" in bakery("schema", "release").output


def test_gc_keeps_what_locks_name(project: Project, tmp_path: Path) -> None:
    locked = stored(project, DATA, tmp_path)
    other = stored(project, b"other", tmp_path)
    assert bakery("gc", "--limit", "0", "--dry-run").output.startswith("would go: 1 assets ")
    assert other.exists()
    assert bakery("gc", "--limit", "0").output.startswith("removed: 1 assets ")
    assert (locked.exists(), other.exists()) == (True, False)
    bakery("gc", "--limit", "0", "--all")
    assert not locked.exists()


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
