"""A bakery of one's own: what an empty folder lacks for recipes to be built in it."""

from __future__ import annotations

import json
import os
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.files import write_whole
from bakery.yaml.location import show

if TYPE_CHECKING:
    from collections.abc import Callable

    from bakery.settings import Settings

_OWN = Path(str(files("bakery.recipe") / "recipe.schema.json"))
_SCHEMA = "# yaml-language-server: $schema="
_PYPROJECT = """\
[dependency-groups]
bakery = ["{requirement}"] # pip install --group bakery

[tool.bakery]
# recipes, dist, store, publish_url: `bakery settings` shows what holds and why.
"""
_WORKFLOW = """\
name: Bake
on:
  pull_request:
  push: {branches: [main]}
permissions: {contents: read}
jobs:
  bake:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2
        with: {persist-credentials: false}
      - uses: actions/setup-python@a26af69be951a213d495a4c3e4e4022e16d87065 # v5.6.0
        with: {python-version: "3.12"}
      - run: python -m pip install --upgrade pip && python -m pip install --group bakery
      - run: >-
          sudo apt-get install --yes --no-install-recommends
          squashfs-tools systemd-container debootstrap debian-archive-keyring
      - run: bakery lint --format github
      - run: doit build
      - run: sudo env "PATH=$PATH" doit boot
"""


def first_line(settings: Settings) -> str:
    """Return the first line of a recipe.yaml: how editors find the schema."""
    return f"{_SCHEMA}{os.path.relpath(_schema(settings), settings.recipes / 'NAME')}"


def prepare(settings: Settings, echo: Callable[[str], None]) -> None:
    """Write what a folder lacks for recipes to be built in it.

    In a folder without dodo.py, that, pyproject.toml, .gitignore and a workflow are written; what
    is there is left alone. The schema is kept beside the recipes where this project's code is not.

    Args:
        settings: where the project is, and its recipes.
        echo: told of every file that is written.

    """
    texts: dict[Path, str] = {}
    if not (settings.root / "dodo.py").exists():
        texts = {
            settings.root / "dodo.py": files("bakery.scaffold").joinpath("dodo.txt").read_text(),
            settings.root / "pyproject.toml": _PYPROJECT.format(requirement=_requirement()),
            settings.root / ".gitignore": "/dist/\n/.doit.db*\n",
            settings.root / ".github/workflows/bake.yaml": _WORKFLOW,
        }
    if _schema(settings) != _OWN:
        texts[_schema(settings)] = _OWN.read_text()
    for path, text in texts.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.encode())
            echo(f"# written: {show(path)}")


def _schema(settings: Settings) -> Path:
    """Return where the schema is: in this project's code, if that is below the project's root."""
    return _OWN if _OWN.is_relative_to(settings.root) else settings.recipes / _OWN.name


def _requirement() -> str:
    """Return what pip installs this very project by: from where it was installed here."""
    installed = metadata.distribution("sysext-bakery")
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if "url" not in origin:
        return f"sysext-bakery=={installed.version}"
    vcs = origin.get("vcs_info")
    address = f"{vcs['vcs']}+{origin['url']}@{vcs['commit_id']}" if vcs else origin["url"]
    return f"sysext-bakery @ {address}"
