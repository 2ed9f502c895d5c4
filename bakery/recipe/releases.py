"""The images that recipes and locks describe, for every version and architecture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bakery.errors import BakeryError
from bakery.recipe import glob, pins
from bakery.recipe.load import FILE
from bakery.recipe.model import Drop, Link, Start, Written
from bakery.recipe.plan import Asset, Contents, Image, PrivateRoot, Release, Unit
from bakery.recipe.requests import applies, values
from bakery.recipe.validate import is_fixed
from bakery.recipe.version import Version
from bakery.yaml.grammar import SpellingError
from bakery.yaml.location import show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bakery.arch import Arch
    from bakery.recipe.load import Source
    from bakery.recipe.local import Local
    from bakery.recipe.lock import LockedAsset
    from bakery.recipe.requests import Wanted
    from bakery.recipe.template import Line, Template

_TARGETS = {"socket": "sockets.target", "timer": "timers.target"}


def releases(source: Source) -> tuple[Release, ...]:
    """Return a release for every version that the lock holds or the recipe fixes, oldest first."""
    fixed = {str(policy) for policy in source.recipe.build if is_fixed(policy)}
    tags = sorted({*source.lock.versions, *fixed}, key=lambda tag: (Version.parse(tag), tag))
    return tuple([_release(source, tag) for tag in tags])


def _release(source: Source, tag: str) -> Release:
    try:
        locked = pins.locked_version(source, tag)
        pinned = pins.pinned(source, tag, locked)
        common = values(source, tag, locked.parts)
        images = tuple([_image(source, arch, pins, common) for arch, pins in pinned.items()])
    except SpellingError as error:
        where = show(source.folder / FILE)
        problem = BakeryError(f"{source.name} {tag}: {error.what}", where=where, fix=error.fix)
        return Release(source=source, version=tag, problem=problem)
    except BakeryError as problem:
        return Release(source=source, version=tag, problem=problem)
    return Release(source=source, version=tag, images=images)


def _image(source: Source, arch: Arch, pins: pins.Pinned, common: Mapping[str, str]) -> Image:
    recipe = source.recipe
    version = Version.parse(common["version"])
    words = {**common, "arch": recipe.arch[arch]}
    files, templates = _local_files(source, version)
    contents = Contents(
        name=source.name,
        version=version.tag,
        arch=arch,
        os=None if recipe.os == "any" else recipe.os,
        assets=tuple([_asset(want, pin) for want, pin in pins]),
        self_contained=recipe.self_contained,
        private_root=_private_root(source, words),
        files=files,
        templates=templates,
        values=words if templates else {},
        write=tuple(
            [
                (path.expand(words), _text(written).expand(words))
                for path, written in recipe.write.items()
                if applies(written, version)
            ]
        ),
        links=tuple(
            [
                (path.expand(words), _target(link).expand(words))
                for path, link in recipe.links.items()
                if applies(link, version)
            ]
        ),
        edit=tuple(
            [
                (path.expand(words), edit.replace, edit.by)
                for path, edits in recipe.edit.items()
                for edit in edits
                if applies(edit, version)
            ]
        ),
        drop=tuple(
            [
                drop.path if isinstance(drop, Drop) else drop
                for drop in recipe.drop
                if applies(drop, version)
            ]
        ),
        modes=tuple([(path.expand(words), mode) for path, mode in recipe.modes.items()]),
        start=tuple([_unit(start) for start in recipe.start if applies(start, version)]),
    )
    return Image(source=source, contents=contents, format=recipe.format)


def _asset(want: Wanted, pin: LockedAsset) -> Asset:
    return Asset(
        url=pin.url,
        sha256=pin.sha256,
        size=pin.size,
        filename=unquote(re.split(r"[?#]", pin.url)[0].rpartition("/")[2]),
        archive=want.archive,
        install=want.install,
        bundle=want.label if want.packages else None,
    )


def _private_root(source: Source, words: Mapping[str, str]) -> PrivateRoot | None:
    private = source.recipe.private_root
    if private is None:
        return None
    return PrivateRoot(
        folder=f"usr/lib/{source.name}/root",
        enter=tuple([(path.expand(words), program) for path, program in private.enter.items()]),
        share=tuple(sorted(set(private.share))),
    )


def _text(written: Template | Written) -> Template:
    return written.text if isinstance(written, Written) else written


def _target(link: Line | Link) -> Line:
    return link.target if isinstance(link, Link) else link


def _unit(start: str | Start) -> Unit:
    name = start.unit if isinstance(start, Start) else start
    chosen = start.target if isinstance(start, Start) else None
    return Unit(name, chosen or _TARGETS.get(name.rpartition(".")[2], "multi-user.target"))


def _local_files(source: Source, version: Version) -> tuple[tuple[Local, ...], tuple[str, ...]]:
    if not source.recipe.files:
        return source.files, ()
    files, templates = [], []
    for file in source.files:
        rules = [
            rule
            for pattern, rule in source.recipe.files.items()
            if glob.matches(pattern, file.path)
        ]
        if all(applies(rule, version) for rule in rules):
            files.append(file)
            if any(rule.template for rule in rules):
                templates.append(file.path)
    return tuple(files), tuple(templates)
