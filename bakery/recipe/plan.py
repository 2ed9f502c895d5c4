"""The plan: from recipes and locks to releases and images, with nothing left to decide.

Everything is expanded, for every version and architecture.
"""

from __future__ import annotations

import hashlib
import re
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import unquote

import msgspec

from bakery.errors import BakeryError
from bakery.recipe import glob, pins
from bakery.recipe.expectations import HostExpectation  # noqa: TC001  msgspec reads it at run time
from bakery.recipe.folder import FILE
from bakery.recipe.model import Account, Config, Drop, Link, Start, Written
from bakery.recipe.names import ImageName, release_name
from bakery.recipe.requests import applies, values
from bakery.recipe.validate import is_fixed
from bakery.recipe.version import Version
from bakery.text import show
from bakery.yaml.grammar import GrammarError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bakery.arch import Arch
    from bakery.recipe.load import Source
    from bakery.recipe.local import Local
    from bakery.recipe.lock import LockedAsset, LockedVersion
    from bakery.recipe.model import OsLevel, OsVersion, Recipe
    from bakery.recipe.requests import Request
    from bakery.recipe.template import FilePath, Template
    from bakery.recipe.types import Archive, Format

_T = TypeVar("_T")
_TARGETS = {"socket": "sockets.target", "timer": "timers.target"}


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One pinned asset of one image.

    Attributes:
        url: the lock's address for it.
        sha256: its digest.
        size: its bytes, where known.
        filename: the name it is published under.
        archive: what kind of file it is; None when its name tells.
        install: pairs of a glob of members and the path for what it matches.
        bundle: what names the assets that share `install`; None for one that stands alone.

    """

    url: str
    sha256: str
    size: int | None
    filename: str
    archive: Archive | None
    install: tuple[tuple[str, str], ...]
    bundle: str | None = None


class StartedUnit(msgspec.Struct, frozen=True):
    """A unit that the image starts, and the target that upholds it."""

    name: str
    target: str


class PrivateRoot(msgspec.Struct, frozen=True, kw_only=True):
    """A root file system of an image's own.

    Attributes:
        folder: where it is in the image.
        enter: pairs of a path in the image and the program of the root that it runs.
        share: the host's folders that programs in it see.

    """

    folder: str
    enter: tuple[tuple[str, str], ...]
    share: tuple[str, ...]


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides the bytes of an image's tree.

    Attributes:
        values: what placeholders stand for in the files that are templates.
        templates: which of `files` are templates.
        self_contained: whether programs bring their loader and libraries along.
        private_root: where Debian packages go as a whole, and how programs there are run.
        account: who services run as, where the recipe makes somebody.
        config: pairs of a path in /etc and the default that is copied there.
        bases: the recipes that it extends, the nearest first: defaults may lie below their names.
        restart: what an update does to the services that it starts.
        health: what must hold on any host.

    The others are the recipe's keys, expanded and filtered by `when`.

    """

    name: str
    version: str
    arch: Arch
    os: OsLevel | OsVersion | None
    assets: tuple[Asset, ...]
    self_contained: bool
    private_root: PrivateRoot | None
    files: tuple[Local, ...]
    templates: tuple[str, ...]
    values: dict[str, str]
    write: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    edit: tuple[tuple[str, str, str], ...]
    drop: tuple[str, ...]
    modes: tuple[tuple[str, str], ...]
    start: tuple[StartedUnit, ...]
    capabilities: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    account: Account | None = None
    config: tuple[tuple[str, Config], ...] = ()
    bases: tuple[str, ...] = ()
    restart: Literal["keep", "reload", "restart", "reboot"] = "keep"
    health: tuple[HostExpectation, ...] = ()
    requires: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


class Image(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One recipe at one version for one architecture.

    Attributes:
        source: the recipe it comes from.
        contents: all that decides its tree.
        format: the file system it is written as.
        verity: whether the recipe wants one for dm-verity beside it.

    """

    source: Source
    contents: Contents
    format: Format
    verity: bool = False

    @cached_property
    def name(self) -> ImageName:
        """What it is called."""
        return ImageName(self.contents.name, self.contents.version, self.contents.arch)

    @cached_property
    def id(self) -> str:
        """Its full name, such as `docker-20.10.13-x86-64`."""
        return str(self.name)

    @cached_property
    def release(self) -> str:
        """The name of the release it belongs to, such as `docker-20.10.13`."""
        return self.name.release

    @property
    def filename(self) -> str:
        """The name it is published under; a folder has no suffix."""
        return self.id if self.format == "folder" else self.name.file

    def digest(self) -> str:
        """Return the SHA-256 of its contents' meaning."""
        data = msgspec.json.encode(self.contents, order="deterministic")
        return hashlib.sha256(data).hexdigest()


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One recipe at one version, all architectures.

    Attributes:
        source: the recipe it comes from.
        version: upstream's version.
        images: one per architecture, or none when there is a problem.
        problem: why it can't be built.

    """

    source: Source
    version: Version
    images: tuple[Image, ...] = ()
    problem: BakeryError | None = None

    @property
    def name(self) -> str:
        """The release's full name, such as `docker-20.10.13`."""
        return release_name(self.source.name, self.version.tag)

    @property
    def locked(self) -> LockedVersion:
        """What the lock holds of it; only a release without a problem surely is in it."""
        return self.source.lock.versions[self.version.tag]


def releases(source: Source) -> tuple[Release, ...]:
    """Return a release for every version that the lock holds or the recipe fixes, oldest first."""
    locked = source.lock.ordered
    tags = {str(policy) for policy in source.recipe.build if is_fixed(policy)}
    missing = [Version.parse(tag) for tag in tags if tag not in source.lock.versions]
    versions = sorted([*locked, *missing], key=lambda version: (version, version.tag))
    return tuple([_release(source, version) for version in versions])


def newest(releases: Iterable[Release]) -> dict[tuple[str, Arch], Image]:
    """Return the images of each recipe's newest release, by the recipe's name and architecture.

    Args:
        releases: those of a recipe from the oldest to the newest.

    """
    last = {release.source.name: release for release in releases if release.images}
    images = [image for release in last.values() for image in release.images]
    return {(image.contents.name, image.contents.arch): image for image in images}


def required(image: Image, newest: Mapping[tuple[str, Arch], Image]) -> list[Image]:
    """Return the newest images of the recipes that an image requires, theirs included."""
    needed: dict[str, Image] = {}
    pending = list(image.source.recipe.requires)
    while pending:
        name = pending.pop()
        other = newest.get((name, image.contents.arch))
        if other and name not in needed:
            needed[name] = other
            pending += other.source.recipe.requires
    return list(needed.values())


def _release(source: Source, version: Version) -> Release:
    try:
        locked = pins.locked_version(source, version)
        pinned = pins.pinned(source, version, locked)
        common = values(source, version, locked.parts)
        images = tuple(
            [_image(source, version, arch, pins, common) for arch, pins in pinned.items()]
        )
    except GrammarError as error:
        where = show(source.folder / FILE)
        problem = BakeryError(f"{source.name} {version}: {error.what}", where=where, fix=error.fix)
        return Release(source=source, version=version, problem=problem)
    except BakeryError as problem:
        return Release(source=source, version=version, problem=problem)
    return Release(source=source, version=version, images=images)


def _image(
    source: Source, version: Version, arch: Arch, pins: pins.Pinned, common: Mapping[str, str]
) -> Image:
    recipe = source.recipe
    words = {**common, "arch": recipe.arch[arch]}
    files, templates = _local_files(source, version)

    def at_paths(items: Mapping[FilePath, _T]) -> list[tuple[str, _T]]:
        applying = [(path, item) for path, item in items.items() if applies(item, version)]
        return [(path.expand(words), item) for path, item in applying]

    contents = Contents(
        name=source.name,
        version=version.tag,
        arch=arch,
        os=None if recipe.os == "any" else recipe.os,
        assets=tuple([_asset(request, pin) for request, pin in pins]),
        self_contained=recipe.self_contained,
        private_root=_private_root(source, words),
        files=files,
        templates=templates,
        values=words if templates else {},
        write=tuple([(path, _text(item).expand(words)) for path, item in at_paths(recipe.write)]),
        links=tuple([(path, _text(item).expand(words)) for path, item in at_paths(recipe.links)]),
        edit=tuple(
            [
                (path, edit.replace, edit.by)
                for path, edits in at_paths(recipe.edit)
                for edit in edits
                if applies(edit, version)
            ]
        ),
        drop=tuple([_pattern(drop) for drop in recipe.drop if applies(drop, version)]),
        modes=tuple(at_paths(recipe.modes)),
        capabilities=tuple([(path, str(what)) for path, what in at_paths(recipe.capabilities)]),
        labels=tuple(at_paths(recipe.labels)),
        start=tuple([_unit(start) for start in recipe.start if applies(start, version)]),
        account=Account(name=recipe.account) if isinstance(recipe.account, str) else recipe.account,
        config=_config(recipe, version),
        bases=source.bases,
        restart=recipe.restart or ("restart" if recipe.start else "keep"),
        health=source.expected.health(arch),
        requires=recipe.requires,
        conflicts=recipe.conflicts,
    )
    return Image(
        source=source,
        contents=contents,
        format=recipe.file_systems[0],
        verity="verity" in recipe.kinds,
    )


def _asset(request: Request, pin: LockedAsset) -> Asset:
    return Asset(
        url=pin.url,
        sha256=pin.sha256,
        size=pin.size,
        filename=unquote(re.split(r"[?#]", pin.url)[0].rpartition("/")[2]),
        archive=request.archive,
        install=request.install,
        bundle=request.label if request.packages else None,
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


def _text(item: Template | Written | Link) -> Template:
    """Return the text of a file, or the target of a link."""
    if isinstance(item, Written):
        return item.text
    return item.target if isinstance(item, Link) else item


def _pattern(drop: str | Drop) -> str:
    return drop.path if isinstance(drop, Drop) else drop


def _config(recipe: Recipe, version: Version) -> tuple[tuple[str, Config], ...]:
    pairs = [
        (path, Config(default=config) if isinstance(config, str) else config)
        for path, config in recipe.config.items()
        if applies(config, version)
    ]
    return tuple(pairs)


def _unit(start: str | Start) -> StartedUnit:
    name = start.unit if isinstance(start, Start) else start
    chosen = start.target if isinstance(start, Start) else None
    return StartedUnit(name, chosen or _TARGETS.get(name.rpartition(".")[2], "multi-user.target"))


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
