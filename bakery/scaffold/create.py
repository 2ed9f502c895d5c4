"""From a project's name to a recipe that builds: look, open, write, lock."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.arch import native_arch
from bakery.files import move_tree, write_whole
from bakery.lock.pin import lock_version
from bakery.recipe import names
from bakery.recipe.folder import LOCK
from bakery.recipe.load import Recipes
from bakery.scaffold import at_address, bakery, on_debian, on_github, on_index, on_npm, texts
from bakery.scaffold.drafting import Drafting
from bakery.scaffold.errors import NewRecipeError
from bakery.scaffold.release import UNKNOWN_LICENCE
from bakery.upstream.api import Api
from bakery.yaml.location import show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bakery.settings import Settings

_LOOK = {
    "github": on_github.look,
    "npm": on_npm.look,
    "pypi": on_index.look,
    "url": at_address.look,
}


def create(
    name: str,
    kind: str,
    project: str,
    *,
    settings: Settings,
    version: str | None = None,
    unit: bool = False,
    echo: Callable[[str], None],
) -> None:
    """Write a recipe for a project and lock one version of it.

    Args:
        name: what to call it.
        kind: where the project publishes: `github`, `npm`, `pypi` or `url`.
        project: OWNER/REPO, an npm package, a project of the package index, or an address with
            `{version}`.
        settings: where recipes are, and downloads come from and go.
        version: which version; None for the newest.
        unit: whether to add a service to start from.
        echo: told what is chosen and why, and what to do next.

    Raises:
        NewRecipeError: the name is taken or impossible, or the assets don't fit one recipe.
        BakeryError: upstream can't be asked, or has nothing that can be installed.

    """
    folder = settings.recipes / name
    _check(folder, kind, project)
    with Api(settings) as api:
        release = _LOOK[kind](project, name, version, api)
        for note in release.notes:
            echo(f"# {note}")
        drafting = Drafting(name, release, settings, echo)
        draft = drafting.draft(unit=unit)
    _write(texts.files(draft, bakery.prepare(settings, echo)), folder, echo)
    sources = Recipes(settings.recipes)
    source, had = sources[name], drafting.had
    lock_version(source, release.version, sources=sources, settings=settings, parts={}, had=had)
    for line in (f"# locked: {show(folder / LOCK)}", *_next_steps(draft, folder)):
        echo(line)


def _check(folder: Path, kind: str, project: str) -> None:
    refused = names.refusal(folder.name)
    if refused:
        why, fix = refused
        raise NewRecipeError(f'"{folder.name}" can\'t be the name of a recipe', why=why, fix=fix)
    if folder.exists():
        raise NewRecipeError(
            f"there is a recipe {folder.name} already",
            where=show(folder),
            fix=f"bakery lock {folder.name} VERSION adds a version to it; or take another name",
        )
    if kind == "github" and not re.fullmatch(r"[\w.-]+/[\w.-]+", project):
        raise NewRecipeError(f"{project!r} is no repository", fix="write --github OWNER/REPO")


def create_of_packages(
    name: str,
    asked: tuple[str, ...],
    suite: str,
    *,
    settings: Settings,
    echo: Callable[[str], None],
) -> None:
    """Write a recipe of Debian packages and lock it at the version that the mirror has.

    Args:
        name: what to call it.
        asked: the packages; the first gives the recipe its version.
        suite: the release of Debian.
        settings: where recipes are, and packages come from and go.
        echo: told what is chosen and why, and what to do next.

    Raises:
        NewRecipeError: the name is taken or impossible.
        BakeryError: the packages can't be had, or make no image.

    """
    folder = settings.recipes / name
    _check(folder, "debian", "")
    drafter = on_debian.Drafter(name=name, asked=asked, suite=suite, settings=settings, echo=echo)
    settings.recipes.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.recipes, prefix=".new-") as scratch:
        draft = Path(scratch, name)
        draft.mkdir()
        tag = drafter.write(draft, bakery.prepare(settings, echo))
        move_tree(draft, folder)
    echo(f"# written and locked: {show(folder)}")
    echo("# next: what `bakery lint` finds; build it, and boot it as root:")
    echo(f"bakery lint {name}")
    echo(f"doit build:{name}")
    echo(f"doit boot:{name}-{tag}-{native_arch()}")


def _write(files: Mapping[str, str], folder: Path, echo: Callable[[str], None]) -> None:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, text.encode())
        echo(f"# written: {show(target)}")


def _next_steps(draft: texts.Draft, folder: Path) -> list[str]:
    arch = next(iter(draft.words))
    asked = ["summary", *["license"] * (draft.about.licence == UNKNOWN_LICENCE)]
    unit = f", how {draft.name}.service starts {draft.layout.programs[0]}" if draft.unit else ""
    return [
        f"# next: read {show(folder)}: {' and '.join(asked)}{unit},",
        "# and check.yaml; `bakery lint` finds what is left to do",
        f"doit build:{draft.name}",
        f"doit boot:{draft.name}-{draft.tag}-{arch}",
    ]
