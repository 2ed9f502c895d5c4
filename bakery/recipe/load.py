"""Recipes from their folders."""

from __future__ import annotations

import os
import typing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bakery.recipe import glob, local, names
from bakery.recipe import lock as lockfile
from bakery.recipe.assets import UrlAsset
from bakery.recipe.expectations import Expectations
from bakery.recipe.extends import overlay
from bakery.recipe.local import Local, RecipeFolderError
from bakery.recipe.model import Recipe
from bakery.recipe.types import Name
from bakery.recipe.upstreams import RecipePart
from bakery.recipe.validate import validate
from bakery.text import nearest
from bakery.yaml.convert import convert, fields, plain
from bakery.yaml.location import InvalidError, error, explain, locate, show
from bakery.yaml.reader import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    import yaml

    from bakery.errors import BakeryError
    from bakery.yaml.location import Step

FILE = "recipe.yaml"
LOCK = "lock.json"
CHECK = "check.yaml"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe with all that its folder holds.

    Attributes:
        name: the recipe's name, which is its folder's.
        folder: where it lies.
        recipe: its recipe.yaml, laid over those it extends.
        lock: its lock.json.
        files: what lies below its files/ and those it extends, by path.
        places: for every path of `files`, the file it comes from.
        keys: where the keys lie that signatures are checked with, by the recipe's word for them.
        expected: its check.yaml; nothing where there is none.
        node: the YAML it was read from, for messages.

    """

    name: str
    folder: Path
    recipe: Recipe
    lock: lockfile.Lock
    files: tuple[Local, ...]
    places: Mapping[str, Path]
    keys: Mapping[str, Path]
    expected: Expectations
    node: yaml.MappingNode

    def invalid(self, broken: InvalidError) -> BakeryError:
        """Return the error that shows where in recipe.yaml a rule is broken."""
        return explain(self.node, broken)


def load_all(folder: Path) -> dict[str, Source]:
    """Return all recipes below a folder, by name.

    Raises:
        RecipeFolderError: the folder is not there, a recipe's name is impossible, or a file below
            files/ is.
        DocumentError: a recipe is wrong.
        LockError: a lock is damaged.

    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as problem:
        raise RecipeFolderError(
            f"there are no recipes: {problem.strerror}",
            where=show(folder),
            fix="set BAKERY_RECIPES to the folder that holds them",
        ) from None
    folders = {
        entry.name: Path(entry.path)
        for entry in entries
        if entry.is_dir() and not entry.name.startswith((".", "_"))
    }
    for name, path in folders.items():
        _check_name(name, path)
        local.refuse_links_out(path)
    nodes = {name: read(path / FILE) for name, path in folders.items()}
    sources = {name: _load(name, folders, nodes) for name in folders}
    for source in sources.values():
        _check_references(source, sources)
    return sources


def _check_name(name: str, folder: Path) -> None:
    refused = names.refusal(name)
    if refused:
        why, fix = refused
        raise RecipeFolderError(
            f'"{name}" can\'t be the name of a recipe', where=show(folder), why=why, fix=fix
        )


_MERGED = frozenset(
    name for name, info in fields(Recipe).items() if typing.get_origin(plain(info.type)) is dict
)


def _load(name: str, folders: Mapping[str, Path], nodes: Mapping[str, yaml.MappingNode]) -> Source:
    lineage = _lineage(name, nodes)
    node = nodes[lineage[0]]
    for variant in lineage[1:]:
        node = overlay(node, nodes[variant], _MERGED)
    recipe: Recipe = convert(node, Recipe)
    places = local.find(folders[base] / "files" for base in lineage)
    try:
        validate(recipe)
        _check_files(recipe, places)
        own = [folders[base] for base in reversed(lineage)]
        keys = _keys(recipe, own)
    except InvalidError as invalid:
        raise explain(node, invalid) from None
    return Source(
        name=name,
        folder=folders[name],
        recipe=recipe,
        lock=lockfile.read(folders[name] / LOCK),
        files=tuple([local.read(path, place) for path, place in places.items()]),
        places=places,
        keys=keys,
        expected=_expected(folders[name] / CHECK),
        node=node,
    )


def _expected(path: Path) -> Expectations:
    """Return what a check.yaml says; devices are a virtual machine's alone.

    Raises:
        DocumentError: it is wrong.

    """
    if not path.is_file():
        return Expectations()
    node = read(path)
    expected: Expectations = convert(node, Expectations)
    if expected.devices and expected.machine != "vm":
        devices = locate(node, ["devices"])
        raise error(devices, "a container has no devices of its own", "add `machine: vm`")
    return expected


def _lineage(name: str, nodes: Mapping[str, yaml.MappingNode]) -> list[str]:
    """Return the recipes that make up one, from the first base to itself."""
    lineage = [name]
    while True:
        node = nodes[lineage[0]]
        extends = locate(node, ["extends"])
        if extends is node:
            return lineage
        base = convert(extends, Name)
        if base in lineage:
            circle = " → ".join([*reversed(lineage[: lineage.index(base) + 1]), base])
            raise error(extends, f"{base} extends itself: {circle}", "remove one extends:")
        if base not in nodes:
            raise error(extends, f'"{base}" is not a recipe', _guess(base, nodes))
        lineage.insert(0, base)


def _guess(name: str, valid: Mapping[str, object]) -> str | None:
    near = nearest(name, valid)
    return f"did you mean {near}?" if near else None


def _check_files(recipe: Recipe, places: Mapping[str, Path]) -> None:
    for pattern in recipe.files:
        if not any(glob.matches(pattern, path) for path in places):
            raise InvalidError(
                ["files", pattern],
                f"{pattern} matches nothing below files/",
                fix=_guess(pattern, places),
                at_key=True,
            )
    for key, written in (("write", recipe.write), ("links", recipe.links)):
        for place in written:
            if str(place) in places:
                raise InvalidError(
                    [key, str(place)],
                    f"{place} lies below files/ already",
                    fix=f"remove it here or there: {show(places[str(place)])}",
                    at_key=True,
                )


def _keys(recipe: Recipe, folders: list[Path]) -> dict[str, Path]:
    keys = {}
    for index, asset in enumerate(recipe.assets):
        if not isinstance(asset, UrlAsset):
            continue
        here: list[Step] = ["assets", index]
        for path, signature in (
            ([*here, "signature"], asset.signature),
            ([*here, "checksum", "signature"], asset.checksum and asset.checksum.signature),
        ):
            key = getattr(signature, "key", "")
            if key.startswith("./"):
                keys[key] = _own_file(key.removeprefix("./"), folders, [*path, "key"])
    return keys


def _own_file(name: str, folders: list[Path], path: list[Step]) -> Path:
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise InvalidError(path, f"there is no {name} in {show(folders[0])}")


def _check_references(source: Source, sources: Mapping[str, Source]) -> None:
    recipe = source.recipe
    named = [
        *((("requires", index), name) for index, name in enumerate(recipe.requires)),
        *(
            (("parts", part, "recipe"), kind.recipe)
            for part, kind in recipe.parts.items()
            if isinstance(kind, RecipePart)
        ),
    ]
    for path, name in named:
        if name == source.name:
            raise source.invalid(InvalidError(path, f'"{name}" is this recipe itself'))
        if name not in sources:
            raise source.invalid(
                InvalidError(path, f'"{name}" is not a recipe', fix=_guess(name, sources))
            )
