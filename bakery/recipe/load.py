"""Recipes from their folders."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bakery.errors import BakeryError
from bakery.names import nearest
from bakery.recipe import glob
from bakery.recipe import lock as lockfile
from bakery.recipe.convert import convert
from bakery.recipe.document import InvalidError, explain, overlay, read, show
from bakery.recipe.model import Recipe, RecipePart
from bakery.recipe.validate import validate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import yaml

FILE = "recipe.yaml"
LOCK = "lock.json"
CHECK = "check.yaml"


class RecipeFolderError(BakeryError):
    """The recipes folder, or one recipe's folder, is not as it should be."""


class Local(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file or link below a recipe's files/.

    Attributes:
        path: where it lands in the image.
        sha256: the digest of its content; of a link, None.
        executable: whether its owner may execute it.
        target: where a link points, verbatim.

    """

    path: str
    sha256: str | None = None
    executable: bool = False
    target: str | None = None


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe with all that its folder holds.

    Attributes:
        name: the recipe's name, which is its folder's.
        folder: where it lies.
        recipe: its recipe.yaml, laid over those it extends.
        lock: its lock.json.
        files: what lies below its files/ and those it extends, by path.
        places: for every path of `files`, the file it comes from.
        node: the YAML it was read from, for messages.

    """

    name: str
    folder: Path
    recipe: Recipe
    lock: lockfile.Lock
    files: tuple[Local, ...]
    places: Mapping[str, Path]
    node: yaml.MappingNode

    def invalid(self, error: InvalidError) -> BakeryError:
        """Return the error that shows where in recipe.yaml a rule is broken."""
        return explain(self.node, error)


def load_all(folder: Path) -> dict[str, Source]:
    """Return all recipes below a folder, by name.

    Raises:
        RecipeFolderError: the folder is not there, or a recipe's name is impossible.
        DocumentError: a recipe is wrong.
        LockError: a lock is damaged.

    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise RecipeFolderError(
            f"there are no recipes: {error.strerror}",
            where=show(folder),
            fix="set BAKERY_RECIPES to the folder that holds them",
        ) from None
    folders = {
        entry.name: Path(entry.path)
        for entry in entries
        if entry.is_dir() and not entry.name.startswith((".", "_"))
    }
    nodes = {name: read(path / FILE) for name, path in folders.items()}
    sources = {name: _load(name, folders, nodes) for name in folders}
    for source in sources.values():
        _check_names(source, sources)
    return sources


def _load(name: str, folders: Mapping[str, Path], nodes: Mapping[str, yaml.MappingNode]) -> Source:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise RecipeFolderError(
            f'"{name}" can\'t be the name of a recipe',
            where=show(folders[name]),
            fix="use lower-case letters, digits and -",
        )
    lineage = _lineage(name, nodes)
    node = nodes[lineage[0]]
    for variant in lineage[1:]:
        node = overlay(node, nodes[variant])
    recipe = convert(node, Recipe)
    places = {path: place for base in lineage for path, place in _walk(folders[base] / "files")}
    try:
        validate(recipe)
        _check_files(recipe, places)
    except InvalidError as error:
        raise explain(node, error) from None
    return Source(
        name=name,
        folder=folders[name],
        recipe=recipe,
        lock=lockfile.read(folders[name] / LOCK),
        files=tuple(_local(path, place) for path, place in sorted(places.items())),
        places=places,
        node=node,
    )


def _lineage(name: str, nodes: Mapping[str, yaml.MappingNode]) -> list[str]:
    """Return the recipes that make up one, from the first base to itself."""
    lineage = [name]
    while True:
        node = nodes[lineage[0]]
        base = next((value for key, value in node.value if key.value == "extends"), None)
        if base is None:
            return lineage
        if base.value not in nodes or base.value in lineage:
            problem = "extends itself" if base.value in lineage else "is not a recipe"
            raise explain(
                node,
                InvalidError(
                    ["extends"], f'"{base.value}" {problem}', fix=_guess(base.value, nodes)
                ),
            )
        lineage.insert(0, base.value)


def _guess(name: str, valid: Mapping[str, object]) -> str | None:
    near = nearest(str(name), set(valid) - {name})
    return f"did you mean {near}?" if near else None


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    for parent, folders, files in os.walk(folder):
        for name in [*files, *(n for n in folders if Path(parent, n).is_symlink())]:
            place = Path(parent, name)
            yield place.relative_to(folder).as_posix(), place


def _local(path: str, place: Path) -> Local:
    if place.is_symlink():
        return Local(path=path, target=str(place.readlink()))
    data = place.read_bytes()
    executable = bool(place.stat().st_mode & 0o100)
    return Local(path=path, sha256=hashlib.sha256(data).hexdigest(), executable=executable)


def _check_files(recipe: Recipe, places: Mapping[str, Path]) -> None:
    for path, place in places.items():
        if not path.startswith(("usr/", "opt/")):
            raise RecipeFolderError(
                "only usr/ and opt/ reach the host",
                where=show(place),
                fix="ship defaults below usr/share/NAME and copy them with a tmpfiles.d line",
            )
    for pattern in recipe.files:
        if not any(glob.matches(pattern, path) for path in places):
            raise InvalidError(
                ["files", pattern],
                f"{pattern} matches nothing below files/",
                fix=_guess(pattern, places),
                at_key=True,
            )
    if recipe.prepare is not None and Path(recipe.prepare).name != recipe.prepare.removeprefix(
        "./"
    ):
        raise InvalidError(["prepare"], "the script must lie in the recipe's own folder")


def _check_names(source: Source, sources: Mapping[str, Source]) -> None:
    recipe = source.recipe
    for key, names in (("requires", recipe.requires), ("conflicts", recipe.conflicts)):
        for index, name in enumerate(names):
            if name not in sources or name == source.name:
                raise source.invalid(
                    InvalidError(
                        [key, index], f'"{name}" is no other recipe', fix=_guess(name, sources)
                    )
                )
    for part, kind in recipe.parts.items():
        if isinstance(kind, RecipePart) and kind.recipe not in sources:
            raise source.invalid(
                InvalidError(
                    ["parts", part, "recipe"],
                    f'"{kind.recipe}" is not a recipe',
                    fix=_guess(kind.recipe, sources),
                )
            )
