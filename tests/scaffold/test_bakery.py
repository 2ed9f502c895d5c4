"""What an empty folder is given for recipes to be built in it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from bakery import settings
from bakery.cli import schemas
from bakery.scaffold import bakery

REPOSITORY = Path(__file__).parents[2]


def prepare(root: Path) -> tuple[str, list[str]]:
    said: list[str] = []
    loaded = settings.load(root, {})
    bakery.prepare(loaded, said.append)
    return bakery.first_line(loaded), said


def test_an_empty_folder_becomes_a_bakery(tmp_path: Path) -> None:
    line, said = prepare(tmp_path)
    assert len(said) == 5
    assert (tmp_path / "dodo.py").read_text() == (REPOSITORY / "dodo.py").read_text()
    workflow = (REPOSITORY / "bakery/scaffold/workflow.yaml").read_text()
    assert (tmp_path / ".github/workflows/bake.yaml").read_text() == workflow
    assert settings.load(tmp_path, {}).root == tmp_path
    schema = tmp_path / "recipes/app" / line.partition("$schema=")[2]
    assert schema.resolve().read_text() == schemas.text("recipe")


def test_a_bakery_of_ones_own_has_the_same_commands_of_doit(tmp_path: Path) -> None:
    prepare(tmp_path)
    own, ours = (
        tomllib.loads((root / "pyproject.toml").read_text()) for root in (tmp_path, REPOSITORY)
    )
    assert own["tool"]["doit"] == ours["tool"]["doit"]


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.bakery]\n")
    prepare(tmp_path)
    assert (tmp_path / "pyproject.toml").read_text() == "[tool.bakery]\n"
    assert prepare(tmp_path)[1] == []


def test_this_repository_needs_nothing() -> None:
    line = "# yaml-language-server: $schema=../../bakery/recipe/recipe.schema.json"
    assert prepare(REPOSITORY) == (line, [])


def test_its_workflow_uses_actions_as_this_repositorys_do() -> None:
    uses = re.compile(r"uses: \S+@[0-9a-f]{40} # \S+")
    own = {
        each
        for path in (REPOSITORY / ".github/workflows").glob("*.yaml")
        for each in uses.findall(path.read_text())
    }
    written = uses.findall((REPOSITORY / "bakery/scaffold/workflow.yaml").read_text())
    assert written
    assert set(written) <= own
