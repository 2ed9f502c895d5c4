"""What types can't say about a recipe: placeholders that exist, names that fit together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from bakery.names import nearest
from bakery.recipe.condition import Condition
from bakery.recipe.document import InvalidError
from bakery.recipe.model import ListingUpstream, PypiAsset, Start, UrlAsset
from bakery.recipe.template import Template
from bakery.recipe.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bakery.recipe.document import Step
    from bakery.recipe.model import Recipe

VERSION_PLACEHOLDERS = ("version", "bare", "major", "minor", "name")
_UNIT = re.compile(r"[\w:.\\@-]+\.(service|socket|timer|path|target|mount|swap|device|slice|scope)")


def validate(recipe: Recipe) -> None:
    """Refuse a recipe that can't be carried out.

    Raises:
        InvalidError: with the place and what to write instead.

    """
    _policies(recipe)
    _parts(recipe)
    _architectures(recipe)
    _placeholders(recipe)
    _files_of_assets(recipe)
    _units(recipe)
    _same_path_twice(recipe)
    _upstream(recipe)


def _policies(recipe: Recipe) -> None:
    for index, policy in enumerate(recipe.build):
        if not isinstance(policy, str) or policy == "latest":
            continue
        kind = Condition if Condition.is_written(policy) else Version
        try:
            kind.parse(policy)
        except ValueError as error:
            raise InvalidError(
                ["build", index],
                str(error),
                fix="a version, `latest`, a range such as '>= 1.2', {latest: minor, keep: 2} "
                "or {since: 1.2}",
            ) from None


def _parts(recipe: Recipe) -> None:
    reserved = {*VERSION_PLACEHOLDERS, "arch", "file", "url"}
    for name in recipe.parts:
        if name in reserved:
            raise InvalidError(
                ["parts", name],
                f"{{{name}}} is taken already",
                fix="give the part another name",
                at_key=True,
            )
        if not re.fullmatch(r"[A-Za-z][\w-]*", name):
            raise InvalidError(
                ["parts", name],
                f'"{name}" can\'t be a placeholder',
                fix="use letters, digits, - and _, beginning with a letter",
                at_key=True,
            )


def _architectures(recipe: Recipe) -> None:
    for index, asset in enumerate(recipe.assets):
        for arch in recipe.arch:
            if asset.arch is not None and arch not in asset.arch:
                raise InvalidError(
                    ["assets", index, "arch"],
                    f"this asset has no word for {arch}, which the recipe builds",
                    fix=f"add {arch}: WORD here, or remove {arch} from the recipe's arch",
                )


def _placeholders(recipe: Recipe) -> None:
    names = {*VERSION_PLACEHOLDERS, *recipe.parts}
    versions = {"version", *recipe.parts}
    known = names | {f"{name}.bare" for name in versions} | {"arch"}
    for path, template in _templates(recipe, ()):
        here = known | _local_placeholders(recipe, path)
        for name in template.names - here:
            near = nearest(name, here)
            listed = ", ".join(f"{{{word}}}" for word in sorted(here) if not word.endswith(".bare"))
            raise InvalidError(
                path,
                f"unknown placeholder {{{name}}}",
                fix=(f"did you mean {{{near}}}?\n" if near else "") + f"known here: {listed}",
            )


def _local_placeholders(recipe: Recipe, path: tuple[Step, ...]) -> set[str]:
    if path[0] != "assets" or not isinstance(path[1], int):
        return set()
    asset = recipe.assets[path[1]]
    found = {"file"} if isinstance(asset, UrlAsset) and asset.files else set()
    return found | ({"url"} if "checksum" in path else set())


def _templates(
    value: object, path: tuple[Step, ...]
) -> Iterator[tuple[tuple[Step, ...], Template]]:
    if isinstance(value, Template):
        yield path, value
    elif isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            yield from _templates(getattr(value, field.name), (*path, field.encode_name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _templates(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _templates(key, (*path, str(key)))
            yield from _templates(item, (*path, str(key)))


def _files_of_assets(recipe: Recipe) -> None:
    for index, asset in enumerate(recipe.assets):
        if isinstance(asset, PypiAsset) or not asset.files:
            continue
        if "file" not in asset.url.names:
            raise InvalidError(
                ["assets", index, "url"],
                "files are listed, but the address has no {file}",
                fix="put {file} where their names stand in the address, or remove files",
            )


def _units(recipe: Recipe) -> None:
    for index, start in enumerate(recipe.start):
        unit = start.unit if isinstance(start, Start) else start
        if not _UNIT.fullmatch(unit):
            raise InvalidError(
                ["start", index],
                f'"{unit}" is not the name of a unit',
                fix=f"write it with its kind, such as {unit}.service",
            )


def _same_path_twice(recipe: Recipe) -> None:
    for path in recipe.links:
        if path in recipe.write:
            raise InvalidError(
                ["links", str(path)],
                f"{path} is written already",
                fix="remove it from links or from write",
                at_key=True,
            )


def _upstream(recipe: Recipe) -> None:
    if not isinstance(recipe.upstream, ListingUpstream):
        return
    try:
        groups: Iterable[str] = re.compile(recipe.upstream.pattern).groupindex
    except re.error as error:
        raise InvalidError(
            ["upstream", "pattern"], f"this is not a regular expression: {error}"
        ) from None
    if "version" not in groups:
        raise InvalidError(
            ["upstream", "pattern"],
            "the pattern has no group named version",
            fix="mark the version with (?P<version>...)",
        )
