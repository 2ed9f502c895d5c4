"""What types can't say about a recipe: placeholders that exist, names that fit together."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, get_args

import msgspec

from bakery.recipe import spdx
from bakery.recipe.assets import DebianAsset, NpmAsset, PypiAsset, UrlAsset
from bakery.recipe.condition import Condition
from bakery.recipe.template import VERSION_PLACEHOLDERS, Template
from bakery.recipe.types import Trust
from bakery.recipe.upstreams import ListUpstream, is_on_github
from bakery.recipe.version import Version
from bakery.text import nearest
from bakery.yaml.convert import fields
from bakery.yaml.grammar import GrammarError
from bakery.yaml.location import InvalidError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.recipe.model import Latest, Recipe
    from bakery.recipe.types import Words
    from bakery.yaml.location import Step

_USERS_OF_HOSTS = ("root", "nobody")
_PLACEHOLDER = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def validate(recipe: Recipe) -> None:
    """Refuse a recipe that can't be carried out.

    Raises:
        InvalidError: with the location and what to write instead.

    """
    _license(recipe)
    _policies(recipe)
    _parts(recipe)
    _architectures(recipe)
    _placeholders(recipe)
    _files_of_assets(recipe)
    _packages_of_one_suite(recipe)
    _same_path_twice(recipe)
    _upstream(recipe)
    _private_root(recipe)
    _account(recipe)
    _trust(recipe)
    _format(recipe)


def _format(recipe: Recipe) -> None:
    if len({*recipe.kinds}) != len(recipe.kinds) or len(recipe.file_systems) > 1:
        fix = "give one of squashfs, erofs, ext4 and btrfs, and verity if that is to be beside it"
        raise InvalidError(["format"], "an image has one file system", fix=fix)
    if {"folder", "verity"} <= {*recipe.kinds}:
        raise InvalidError(
            ["format"], "a folder has no hash tree", fix="give a file system, such as squashfs"
        )


def _license(recipe: Recipe) -> None:
    canonical = _canonical(recipe.license)
    if canonical is None:
        fix = "use SPDX identifiers with AND, OR and WITH, such as Apache-2.0 OR MIT"
        raise InvalidError(["license"], f'"{recipe.license}" is not an SPDX expression', fix=fix)
    if canonical != recipe.license:
        raise InvalidError(["license"], "SPDX spells it otherwise", fix=f"write {canonical}")
    for name in re.finditer(r"[\w.+-]+", recipe.license):
        if current := spdx.replacement(name[0]):
            raise InvalidError(
                ["license"],
                f"SPDX has deprecated {name[0]}",
                fix=f"write {current}",
                span=name.span(),
            )


@functools.cache
def _canonical(text: str) -> str | None:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return None


def _policies(recipe: Recipe) -> None:
    for index, policy in enumerate(recipe.build):
        if isinstance(policy, str) and policy != "latest":
            kind = Condition if Condition.is_written(policy) else Version
            _spelled(kind, policy, ["build", index])
        if recipe.upstream is None and not is_fixed(policy):
            raise InvalidError(
                ["build", index],
                "nothing says where the versions are listed",
                fix="add upstream: {github: OWNER/REPO}, {pypi: PROJECT} or "
                "{listing: ADDRESS, pattern: …}",
            )


def is_fixed(policy: str | Latest) -> bool:
    """Return whether an entry of `build:` names one version."""
    return isinstance(policy, str) and policy != "latest" and not Condition.is_written(policy)


def _spelled(kind: type[Condition | Version], text: str, path: list[Step]) -> None:
    try:
        kind.parse(text)
    except GrammarError as error:
        raise InvalidError(
            path,
            error.what,
            fix='give a version, latest, a range such as ">= 1.2" or {latest: minor, keep: 2}',
            span=error.span,
        ) from None


def _parts(recipe: Recipe) -> None:
    reserved = {*VERSION_PLACEHOLDERS, "arch", "file", "url"}
    for name in recipe.parts:
        if name in reserved:
            problem, fix = f"{{{name}}} stands for something else already", "another name"
        elif not _PLACEHOLDER.fullmatch(name):
            problem = f'"{name}" can\'t be a placeholder'
            fix = "a name of letters, digits, - and _ that begins with a letter"
        else:
            continue
        raise InvalidError(["parts", name], problem, fix=f"give the part {fix}", at_key=True)


def _architectures(recipe: Recipe) -> None:
    for path, words in _own_words(recipe):
        for arch in recipe.arch:
            if arch not in words:
                raise InvalidError(
                    path,
                    f"this asset has no word for {arch}, which the recipe builds",
                    fix=f"add {arch}: WORD here, or remove {arch} from the recipe's arch",
                )


def _own_words(recipe: Recipe) -> Iterator[tuple[list[Step], Words]]:
    """Yield where assets have words of their own for architectures, and the words."""
    for index, asset in enumerate(recipe.assets):
        if not isinstance(asset, DebianAsset) and asset.arch:
            yield ["assets", index, "arch"], asset.arch
        if isinstance(asset, UrlAsset) and asset.checksum and asset.checksum.arch:
            yield ["assets", index, "checksum", "arch"], asset.checksum.arch


def _placeholders(recipe: Recipe) -> None:
    names = {*VERSION_PLACEHOLDERS, *recipe.parts}
    versions = {"version", *recipe.parts}
    known = names | {f"{name}.bare" for name in versions} | {"arch"}
    for path, template, at_key in _templates(recipe, ()):
        here = known | _local_placeholders(recipe, path)
        for name in sorted(template.names - here, key=template.span):
            near = nearest(name, here)
            listed = ", ".join(f"{{{word}}}" for word in sorted(here) if not word.endswith(".bare"))
            raise InvalidError(
                path,
                f"unknown placeholder {{{name}}}",
                fix=(f"did you mean {{{near}}}?\n" if near else "") + f"known here: {listed}",
                at_key=at_key,
                span=template.span(name),
            )


def _local_placeholders(recipe: Recipe, path: tuple[Step, ...]) -> set[str]:
    if path[0] != "assets" or not isinstance(path[1], int):
        return set()
    asset = recipe.assets[path[1]]
    local = {"file"} if isinstance(asset, UrlAsset) and asset.files else set()
    return local | ({"url"} if path[2] in {"checksum", "signature"} else set())


def _templates(
    value: object, path: tuple[Step, ...]
) -> Iterator[tuple[tuple[Step, ...], Template, bool]]:
    """Yield every template with its path, and whether it is the key at the end of that path."""
    if isinstance(value, Template):
        yield path, value, False
    elif isinstance(value, msgspec.Struct):
        for name, info in fields(type(value)).items():
            if item := getattr(value, info.name):
                yield from _templates(item, (*path, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _templates(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, Template):
                yield (*path, str(key)), key, True
            yield from _templates(item, (*path, str(key)))


def _files_of_assets(recipe: Recipe) -> None:
    for index, asset in enumerate(recipe.assets):
        if not isinstance(asset, UrlAsset) or not asset.files:
            continue
        if "file" not in asset.url.names:
            raise InvalidError(
                ["assets", index, "url"],
                "files are listed, but the address has no {file}",
                fix="put {file} where their names stand in the address, or remove files",
            )


def _packages_of_one_suite(recipe: Recipe) -> None:
    """Refuse packages that are asked for apart: what they depend on could not be told apart."""
    seen: dict[str, DebianAsset] = {}
    for index, asset in enumerate(recipe.assets):
        if not isinstance(asset, DebianAsset):
            continue
        other = seen.setdefault(asset.debian.suite, asset)
        if other is not asset and not (other.when and asset.when):
            raise InvalidError(
                ["assets", index, "debian"],
                f"packages of {asset.debian.suite} are asked for already, and come with all that "
                "they depend on",
                fix="name all packages in one debian: and all places in its install:",
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
    upstreams: dict[tuple[str, ...], object] = {("upstream",): recipe.upstream}
    upstreams |= {("parts", name): part for name, part in recipe.parts.items()}
    for path, upstream in upstreams.items():
        if isinstance(upstream, ListUpstream) and isinstance(upstream.versions, tuple):
            for index, version in enumerate(upstream.versions):
                _spelled(Version, version, [*path, "versions", index])


def _private_root(recipe: Recipe) -> None:
    if recipe.private_root is not None and recipe.self_contained:
        raise InvalidError(
            ["private-root"],
            "programs in a private root have its loader and libraries already",
            fix="remove it, or remove self-contained",
            at_key=True,
        )


def _account(recipe: Recipe) -> None:
    account = recipe.account
    name = account if account is None or isinstance(account, str) else account.name
    if name in _USERS_OF_HOSTS:
        raise InvalidError(
            ["account"] if account == name else ["account", "name"],
            f"every host has {name} already",
            fix="choose another name, such as the recipe's, and say User= in the units",
        )


def _trust(recipe: Recipe) -> None:
    """Refuse a `trust:` that no lock could ever satisfy."""
    levels = get_args(Trust)
    for asset in recipe.assets:
        if isinstance(asset, DebianAsset):  # apt verifies signatures
            continue
        if levels.index(_most_trust(recipe, asset)) >= levels.index(recipe.trust):
            continue
        label = _address(asset)
        signed = recipe.trust == "signature"
        if isinstance(asset, PypiAsset | NpmAsset):
            fix = "package indexes vouch for files by checksum: write trust: checksum"
        elif signed:
            fix = "name upstream's signature of it, or of its checksum file, in signature:"
        else:
            fix = "name upstream's checksum file in its checksum:"
        kind = "signature" if signed else "checksum"
        raise InvalidError(
            ["trust"], f"no {kind} of {label} is known of, so it can't be asked for", fix=fix
        )


def _address(asset: UrlAsset | PypiAsset | NpmAsset) -> str:
    if isinstance(asset, UrlAsset):
        return str(asset.url)
    return asset.pypi if isinstance(asset, PypiAsset) else str(asset.npm)


def _most_trust(recipe: Recipe, asset: UrlAsset | PypiAsset | NpmAsset) -> Trust:
    if isinstance(asset, PypiAsset | NpmAsset):
        return "checksum"
    if asset.signature or (asset.checksum and asset.checksum.signature):
        return "signature"
    known = asset.checksum or is_on_github(recipe.upstream, str(asset.url))
    return "checksum" if known else "cited"
