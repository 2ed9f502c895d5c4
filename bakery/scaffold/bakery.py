"""A bakery of one's own: what an empty folder lacks for recipes to be built in it."""

from __future__ import annotations

import json
import os
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.files import write_whole
from bakery.text import show

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

[tool.doit]
loader = "bakery"

[tool.doit.plugins.loader]
bakery = "bakery.build.commands:Loader"
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
            settings.root / "dodo.py": _own("dodo.txt"),
            settings.root / "pyproject.toml": _PYPROJECT.format(requirement=_requirement()),
            settings.root / ".gitignore": "/dist/\n/.doit.db*\n",
            settings.root / ".github/workflows/bake.yaml": _own("workflow.yaml"),
        }
    if _schema(settings) != _OWN:
        texts[_schema(settings)] = _OWN.read_text()
    for path, text in texts.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.encode())
            echo(f"# written: {show(path)}")


def _own(name: str) -> str:
    return files("bakery.scaffold").joinpath(name).read_text("utf-8")


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
