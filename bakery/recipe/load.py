"""Recipes from their folders."""

from __future__ import annotations

import os
import typing
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from bakery.errors import BakeryError
from bakery.recipe import glob, local, names
from bakery.recipe import lock as lockfile
from bakery.recipe.assets import UrlAsset
from bakery.recipe.expectations import Expectations, Text
from bakery.recipe.extends import overlay
from bakery.recipe.folder import CHECK, FILE, LOCK, misnamed
from bakery.recipe.local import Local, RecipeFolderError
from bakery.recipe.model import Recipe
from bakery.recipe.types import Name
from bakery.recipe.upstreams import RecipePart
from bakery.recipe.validate import validate
from bakery.text import did_you_mean, show
from bakery.yaml.convert import convert, fields, plain
from bakery.yaml.location import InvalidError, error, explain, locate
from bakery.yaml.reader import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import yaml

    from bakery.yaml.location import Step

_ANY_ENTRY = "~: ~"
_SAY_ENTRY = 'write what the entry says, such as "app: failed to sync the clock"'


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe with all that its folder holds.

    Attributes:
        name: the recipe's name, which is its folder's.
        folder: where it lies.
        recipe: its recipe.yaml, laid over those it extends.
        lock: its lock.json.
        files: what lies below its files/ and those it extends, by path.
        origins: for every path of `files`, the file it comes from.
        keys: where the keys lie that signatures are checked with, by the recipe's word for them.
        expected: its check.yaml; nothing where there is none.
        node: the YAML it was read from, for messages.
        bases: the recipes that it extends, the nearest first.

    """

    name: str
    folder: Path
    recipe: Recipe
    lock: lockfile.Lock
    files: tuple[Local, ...]
    origins: Mapping[str, Path]
    keys: Mapping[str, Path]
    expected: Expectations
    node: yaml.MappingNode
    bases: tuple[str, ...] = ()

    def invalid(self, broken: InvalidError) -> BakeryError:
        """Return the error that shows where in recipe.yaml a rule is broken."""
        return explain(self.node, broken)


class Recipes(Mapping[str, Source]):
    """The recipes below a folder, by name. Each is read when it is asked for, with its bases.

    Looking one up raises its own error where it is broken, and KeyError where there is none.

    Args:
        folder: the folder that holds a folder per recipe.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sources: dict[str, Source] = {}
        self._problems: dict[str, BakeryError] = {}
        self._nodes: dict[str, yaml.MappingNode] = {}

    @cached_property
    def names(self) -> list[str]:
        """The names of all recipes, those of broken ones included, in alphabetical order.

        Raises:
            RecipeFolderError: the folder is not there.

        """
        try:
            with os.scandir(self.folder) as entries:
                return sorted(
                    entry.name
                    for entry in entries
                    if not entry.name.startswith((".", "_")) and entry.is_dir()
                )
        except OSError as problem:
            raise RecipeFolderError(
                f"there are no recipes: {problem.strerror}",
                where=show(self.folder),
                fix="set BAKERY_RECIPES to the folder that holds them",
            ) from None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and not names.refusal(name) and (self.folder / name).is_dir()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, name: str) -> Source:
        if name in self._problems:
            raise self._problems[name]
        if name not in self._sources:
            try:
                self._sources[name] = self._load(name)
            except BakeryError as problem:
                self._problems[name] = problem
                raise
        return self._sources[name]

    def load(
        self, names: Iterable[str] | None = None
    ) -> tuple[dict[str, Source], dict[str, BakeryError]]:
        """Return the recipes that are right, and for each of the others what is wrong with it.

        Args:
            names: which to load; all when None.

        """
        sources: dict[str, Source] = {}
        broken: dict[str, BakeryError] = {}
        for name in self.names if names is None else names:
            try:
                sources[name] = self[name]
            except BakeryError as problem:
                broken[name] = problem
        return sources, broken

    def _load(self, name: str) -> Source:
        folder = self.folder / name
        _check_name(name, folder)
        if name not in self:
            raise KeyError(name)
        local.refuse_links_out(folder)
        _refuse_misnamed(folder)
        lineage = self._lineage(name)
        source = _load(name, self.folder, [(base, self._node(base)) for base in lineage])
        self._check_references(source)
        return source

    def _node(self, name: str) -> yaml.MappingNode:
        if name not in self._nodes:
            self._nodes[name] = read(self.folder / name / FILE)
        return self._nodes[name]

    def _lineage(self, name: str) -> list[str]:
        """Return the recipes that make up one, from the first base to itself."""
        lineage = [name]
        while True:
            node = self._node(lineage[0])
            extends = locate(node, ["extends"])
            if extends is node:
                return lineage
            base = convert(extends, Name)
            if base in lineage:
                circle = " → ".join([*reversed(lineage[: lineage.index(base) + 1]), base])
                raise error(extends, f"{base} extends itself: {circle}", "remove one extends:")
            if base not in self:
                raise error(extends, f'"{base}" is not a recipe', did_you_mean(base, self))
            lineage.insert(0, base)

    def _check_references(self, source: Source) -> None:
        recipe = source.recipe
        named = [
            *((("requires", index), name) for index, name in enumerate(recipe.requires)),
            *(
                (("parts", part, "recipe"), kind.recipe)
                for part, kind in recipe.parts.items()
                if isinstance(kind, RecipePart)
            ),
        ]
        for key in ("replaces", "conflicts"):
            for index, name in enumerate(getattr(recipe, key)):
                self._refuse_itself(source, (key, index), name)
        for path, name in named:
            self._refuse_itself(source, path, name)
            if name not in self:
                raise source.invalid(
                    InvalidError(path, f'"{name}" is not a recipe', fix=did_you_mean(name, self))
                )

    @staticmethod
    def _refuse_itself(source: Source, path: Sequence[Step], name: str) -> None:
        if name == source.name:
            itself = f'"{name}" is this recipe itself'
            fix = "name another one, or remove it"
            raise source.invalid(InvalidError(path, itself, fix=fix))


def load_all(folder: Path) -> dict[str, Source]:
    """Return all recipes below a folder, by name.

    Raises:
        RecipeFolderError: the folder is not there, a recipe's name is impossible, or a file below
            files/ is.
        DocumentError: a recipe is wrong.
        LockError: a lock is damaged.

    """
    return dict(Recipes(folder))


def _check_name(name: str, folder: Path) -> None:
    refused = names.refusal(name)
    if refused:
        why, fix = refused
        raise RecipeFolderError(
            f'"{name}" can\'t be the name of a recipe', where=show(folder), why=why, fix=fix
        )


def _refuse_misnamed(folder: Path) -> None:
    meant = misnamed(folder)
    if meant:
        there, name = meant
        raise RecipeFolderError(
            f"{there} is called {name} in recipes",
            where=show(folder / there),
            why=f"there is no {name} beside it, and nothing reads {there}",
            fix=f"rename it: mv {show(folder / there)} {show(folder / name)}",
        )


_MERGED = frozenset(
    name for name, info in fields(Recipe).items() if typing.get_origin(plain(info.type)) is dict
)


def _load(name: str, recipes: Path, lineage: Sequence[tuple[str, yaml.MappingNode]]) -> Source:
    folders = {base: recipes / base for base, _ in lineage}
    _, node = lineage[0]
    for _, variant in lineage[1:]:
        node = overlay(node, variant, _MERGED)
    recipe: Recipe = convert(node, Recipe)
    origins = local.find(folder / "files" for folder in folders.values())
    try:
        validate(recipe)
        _check_files(recipe, origins)
        own = [*reversed(folders.values())]
        keys = _keys(recipe, own)
    except InvalidError as invalid:
        raise explain(node, invalid) from None
    return Source(
        name=name,
        folder=folders[name],
        recipe=recipe,
        lock=lockfile.read(folders[name] / LOCK),
        files=tuple([local.read(path, source) for path, source in origins.items()]),
        origins=origins,
        keys=keys,
        expected=_expected(folders[name] / CHECK),
        node=node,
        bases=tuple(reversed([base for base, _ in lineage[:-1]])),
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
    for key in ("units", "listen", "files", "commands"):
        for index, each in enumerate(getattr(expected, key)):
            for at, why in _beyond_hosts(each):
                raise error(locate(node, [key, index, *at]), why, "remove it, or `on: host`")
            for at, why, fix in _futile(each):
                raise error(locate(node, [key, index, *at]), why, fix)
    for index, pattern in enumerate(expected.journal.ignore):
        if pattern.matches(_ANY_ENTRY):
            place = locate(node, ["journal", "ignore", index])
            raise error(place, "this fits any entry, so no error would count", _SAY_ENTRY)
    return expected


def _futile(expectation: Any) -> Iterator[tuple[list[Step], str, str]]:
    """Yield what a line says that can't fail, or that nobody looks at."""
    run = getattr(expectation, "run", None)
    if run is not None and not (run if isinstance(run, str) else "".join(run[:1])).strip():
        yield ["run"], "this runs nothing", "write a command, such as app --version"
    if not getattr(expectation, "exists", True):
        for key in ("mode", "content"):
            if getattr(expectation, key) not in (None, Text()):
                yield [key], "what must not exist has none", "remove it, or `exists: false`"
    for key in ("content", "stdout", "stderr"):
        text = getattr(expectation, key, Text())
        fix = 'write a part of the text that must be there; equals: "" is for a text that is empty'
        if text.contains == "":
            yield [key, "contains"], "every text contains this", fix
        if text.matches is not None and all(map(text.matches.matches, ("", "~"))):
            yield [key, "matches"], "every text matches this", fix


def _beyond_hosts(expectation: Any) -> Iterator[tuple[list[Step], str]]:
    """Yield what a line that is marked `on: host` says and a shell on a host can't check."""
    if getattr(expectation, "on", None) is None:
        return
    for key in ("content", "stdout", "stderr"):
        if getattr(expectation, key, Text()).matches is not None:
            yield [key, "matches"], "a shell has not these regular expressions"
    if expectation.systemd is not None:
        yield ["systemd"], "what holds on any host depends on no systemd"
    if getattr(expectation, "once", False):
        yield ["once"], "what holds on any host is asked again and again"


def _check_files(recipe: Recipe, origins: Mapping[str, Path]) -> None:
    for pattern in recipe.files:
        if not any(glob.matches(pattern, path) for path in origins):
            raise InvalidError(
                ["files", pattern],
                f"{pattern} matches nothing below files/",
                fix=did_you_mean(pattern, origins),
                at_key=True,
            )
    for key, written in (("write", recipe.write), ("links", recipe.links)):
        for target in written:
            if str(target) in origins:
                raise InvalidError(
                    [key, str(target)],
                    f"{target} lies below files/ already",
                    fix=f"remove it here or there: {show(origins[str(target)])}",
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
    raise InvalidError(
        path,
        f"there is no {name} in {show(folders[0])}",
        fix="put the file there, or correct its name",
    )
