"""From a project's name to a recipe that builds: look, open, write, lock."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from bakery import interrupts
from bakery.files import move_tree
from bakery.image.errors import ImageError
from bakery.image.stage import stage
from bakery.lock.pin import lock_version
from bakery.progress import Silent
from bakery.recipe import names
from bakery.recipe.load import Recipes
from bakery.recipe.npm import NpmPackage
from bakery.recipe.types import Package, Project, Repository, Suite
from bakery.scaffold import at_address, bakery, on_debian, on_github, on_index, on_npm, texts
from bakery.scaffold.contents import fetched
from bakery.scaffold.drafting import Drafting
from bakery.scaffold.errors import NewRecipeError
from bakery.scaffold.observe import image_of, seen_in_a_boot
from bakery.scaffold.release import UNKNOWN_LICENCE
from bakery.text import show
from bakery.upstream.api import Api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from bakery.scaffold.observe import Observed
    from bakery.settings import Settings

_LOOK = {
    "github": on_github.look,
    "npm": on_npm.look,
    "pypi": on_index.look,
    "url": at_address.look,
}
_FORMS: dict[str, Any] = {  # as recipes have them: tools take other words for options, files, URLs
    "github": Repository,
    "npm": NpmPackage,
    "pypi": Project,
    "debian": Package,
    "suite": Suite,
}


def create(
    name: str,
    kind: str,
    project: str,
    *,
    settings: Settings,
    version: str | None = None,
    unit: bool = False,
    boot: bool = True,
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
        boot: whether to see in a boot what the image does.
        echo: told what is chosen and why, and what to do next.

    Raises:
        NewRecipeError: a name is taken or impossible, or the assets don't fit one recipe.
        BakeryError: upstream can't be asked, or has nothing that can be installed.

    """
    folder = settings.recipes / name
    _check(name, folder, {kind: [project]})
    with Api(settings) as api:
        release = _LOOK[kind](project, name, version, api)
        for note in release.notes:
            echo(f"# {note}")
        drafting = Drafting(name, release, settings, echo)
        draft = drafting.draft(unit=unit)
    with _drafted(folder, settings, echo) as (scratch, schema):
        texts.write(texts.files(draft, schema), scratch)
        sources = Recipes(scratch.parent)
        source, had = sources[name], drafting.had
        lock_version(source, release.version, sources=sources, settings=settings, parts={}, had=had)
        seen = _seen(draft, scratch, settings, echo) if boot and draft.complete else None
        if seen and seen.licence:
            echo(f"# license: {seen.licence}, as the programs say themselves")
            draft = draft.licensed(seen.licence)
        texts.write(texts.files(draft, schema, seen), scratch)
    for line in _next_steps(draft, folder):
        echo(line)


@contextmanager
def _drafted(
    folder: Path, settings: Settings, echo: Callable[[str], None]
) -> Iterator[tuple[Path, str]]:
    """Give a recipe's folder to write in, and its first line; it appears whole, or not at all."""
    near = next(each for each in (settings.recipes, *settings.recipes.parents) if each.is_dir())
    with interrupts.temporary_folder(".new-", near) as scratch:
        draft = scratch / folder.name
        draft.mkdir()
        yield draft, bakery.first_line(settings)
        bakery.prepare(settings, echo)
        settings.recipes.mkdir(parents=True, exist_ok=True)
        move_tree(draft, folder)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        echo(f"# written: {show(path)}")


def _seen(
    draft: texts.Draft, folder: Path, settings: Settings, echo: Callable[[str], None]
) -> Observed | None:
    """Return what a new recipe's image does in a boot; None where that can't be seen."""
    image = image_of(Recipes(folder.parent), draft.name)
    assets = {each.sha256: fetched(each, settings) for each in image.contents.assets}
    with interrupts.temporary_folder("bakery-new-") as scratch:
        tree = scratch / "tree"
        tree.mkdir()
        try:
            stage(image, "", assets, tree, Silent())
        except ImageError as error:
            echo("; ".join(filter(None, (f"# beware: it can't be built: {error.what}", error.fix))))
            return None
        return seen_in_a_boot(image, tree, draft.layout.programs, (), settings=settings, echo=echo)


def _check(name: str, folder: Path, given: Mapping[str, Iterable[str]]) -> None:
    refused = names.refusal(name)
    if refused:
        why, fix = refused
        raise NewRecipeError(f'"{name}" can\'t be the name of a recipe', why=why, fix=fix)
    if folder.exists():
        raise NewRecipeError(
            f"there is a recipe {folder.name} already",
            where=show(folder),
            fix=f"bakery lock {folder.name} VERSION adds a version to it; or take another name",
        )
    for option, words in given.items():
        for word in words:
            _check_form(option, word)


def _check_form(option: str, word: str) -> None:
    form = _FORMS.get(option)
    if form is None:
        return
    try:
        msgspec.convert(word, form)
    except msgspec.ValidationError:
        (meta,) = form.__metadata__
        raise NewRecipeError(
            f'--{option} does not take "{word}"', fix=f"write {meta.title}"
        ) from None


def create_of_packages(
    name: str,
    asked: tuple[str, ...],
    suite: str,
    *,
    settings: Settings,
    boot: bool = True,
    echo: Callable[[str], None],
) -> None:
    """Write a recipe of Debian packages and lock it at the version that the mirror has.

    Args:
        name: what to call it.
        asked: the packages; the first gives the recipe its version.
        suite: the release of Debian.
        settings: where recipes are, and packages come from and go.
        boot: whether to see in a boot what the image does.
        echo: told what is chosen and why, and what to do next.

    Raises:
        NewRecipeError: a name is taken or impossible.
        BakeryError: the packages can't be had, or make no image.

    """
    folder = settings.recipes / name
    _check(name, folder, {"debian": asked, "suite": [suite]})
    drafter = on_debian.Drafter(
        name=name, asked=asked, suite=suite, settings=settings, echo=echo, boot=boot
    )
    with _drafted(folder, settings, echo) as (scratch, schema):
        drafter.write(scratch, schema)
    for line in _advice(name, f"what `bakery lint {name}` finds is for you to say"):
        echo(line)


def _advice(name: str, first: str) -> Iterator[str]:
    """Yield what to do next: at last, the commands, as they can be copied."""
    yield f"# next: {first}; then build and boot it, as root:"
    yield f"bakery try {name}"


def _next_steps(draft: texts.Draft, folder: Path) -> Iterator[str]:
    asked = ["summary", *["license"] * (draft.about.licence == UNKNOWN_LICENCE), "check.yaml"]
    if draft.unit:
        asked.insert(-1, f"how {draft.name}.service starts {draft.layout.programs[0]}")
    said = f"read {show(folder)}: {', '.join(asked[:-1])} and {asked[-1]}"
    yield from _advice(draft.name, f"{said}; `bakery lint {draft.name}` says what is left")
