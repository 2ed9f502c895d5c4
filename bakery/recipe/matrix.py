"""The images that recipes and locks describe: everything expanded, nothing left to decide."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from bakery.errors import BakeryError
from bakery.recipe import glob
from bakery.recipe.document import show
from bakery.recipe.load import FILE, LOCK
from bakery.recipe.lock import LockError, differences
from bakery.recipe.model import (
    AssetFile,
    Drop,
    Format,
    Link,
    OsLevel,
    OsVersion,
    PypiAsset,
    Start,
    UrlAsset,
    Written,
)
from bakery.recipe.spelling import SpellingError
from bakery.recipe.template import Template
from bakery.recipe.validate import is_fixed
from bakery.recipe.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.recipe.condition import Condition
    from bakery.recipe.load import Source
    from bakery.recipe.local import Local
    from bakery.recipe.lock import LockedAsset, LockedVersion
    from bakery.recipe.model import Arch, Archive

_TARGETS = {"socket": "sockets.target", "timer": "timers.target"}
_WHEEL = re.compile(
    r"[^/-]+-(?P<version>[^/-]+)(?:-\d[^/-]*)?-[^/-]+-[^/-]+-(?P<platforms>[^/-]+)\.whl"
)


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One pinned asset of one image.

    Attributes:
        url: the lock's address for it.
        sha256: its digest.
        size: its bytes, where known.
        filename: the name it is published under.
        archive: what kind of file it is; None when its name tells.
        install: pairs of a glob of members and the place for what it matches.

    """

    url: str
    sha256: str
    size: int | None
    filename: str
    archive: Archive | None
    install: tuple[tuple[str, str], ...]


class Unit(msgspec.Struct, frozen=True):
    """A unit that the image starts, and the target that upholds it."""

    name: str
    target: str


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides the bytes of an image's tree.

    Attributes:
        values: what placeholders stand for in the files that are templates.
        templates: which of `files` are templates.
        prepare: digest of the script, where there is one.

    The others are the recipe's keys, expanded and filtered by `when`.

    """

    name: str
    version: str
    arch: Arch
    os: OsLevel | OsVersion | None
    assets: tuple[Asset, ...]
    files: tuple[Local, ...]
    templates: tuple[str, ...]
    values: dict[str, str]
    write: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    edit: tuple[tuple[str, str, str], ...]
    drop: tuple[str, ...]
    modes: tuple[tuple[str, str], ...]
    prepare: str | None
    start: tuple[Unit, ...]


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One recipe at one version for one architecture.

    Attributes:
        source: the recipe it comes from.
        contents: all that decides its tree.
        format: the file system it is written as.

    """

    source: Source
    contents: Contents
    format: Format

    @property
    def id(self) -> str:
        """The image's full name, such as `docker-20.10.13-x86-64`."""
        return f"{self.release}-{self.contents.arch}"

    @property
    def release(self) -> str:
        """The name of the release it belongs to, such as `docker-20.10.13`."""
        return f"{self.contents.name}-{self.contents.version}"

    @property
    def filename(self) -> str:
        """The name it is published under; a folder has no suffix."""
        return self.id if self.format == "folder" else f"{self.id}.raw"

    def digest(self) -> str:
        """Return the SHA-256 of its contents' meaning."""
        data = msgspec.json.encode(self.contents, order="deterministic")
        return hashlib.sha256(data).hexdigest()


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One recipe at one version, all architectures.

    Attributes:
        source: the recipe it comes from.
        version: upstream's tag.
        images: one per architecture, or none when there is a problem.
        problem: why it can't be built.

    """

    source: Source
    version: str
    images: tuple[Image, ...] = ()
    problem: BakeryError | None = None

    @property
    def name(self) -> str:
        """The release's full name, such as `docker-20.10.13`."""
        return f"{self.source.name}-{self.version}"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An asset that a recipe asks for, before the lock says which bytes it is.

    Attributes:
        url: its address; None for a wheel, whose address the index knows.
        project: the wheel's project.
        version: the wheel's version.
        platform: the wheel's platform tag.
        checksum: the address of upstream's checksum file.
        archive, install: as in `Asset`.

    """

    url: str | None = None
    project: str | None = None
    version: str | None = None
    platform: str | None = None
    checksum: str | None = None
    archive: Archive | None = None
    install: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """How messages call it."""
        return self.url or f"pypi:{self.project}/{self.version} for {self.platform}"

    def finds(self, locked: LockedVersion) -> LockedAsset | None:
        """Return the locked asset that this is, or None."""
        if self.url is not None:
            return locked.by_url.get(self.url)
        prefix = f"pypi:{self.project}/"
        return next(
            (a for a in locked.assets if a.url.startswith(prefix) and self._is(a.url)), None
        )

    def _is(self, url: str) -> bool:
        found = _WHEEL.fullmatch(url.rpartition("/")[2])
        return (
            found is not None
            and found["version"] == self.version
            and self.platform in found["platforms"].split(".")
        )


def releases(source: Source) -> tuple[Release, ...]:
    """Return a release for every version that the lock holds or the recipe fixes, oldest first."""
    fixed = {str(policy) for policy in source.recipe.build if is_fixed(policy)}
    tags = sorted({*source.lock.versions, *fixed}, key=lambda tag: (Version.parse(tag), tag))
    return tuple(_release(source, tag) for tag in tags)


def _release(source: Source, tag: str) -> Release:
    lock_path = show(source.folder / LOCK)
    locked = source.lock.versions.get(tag)
    if locked is None:
        return Release(
            source=source,
            version=tag,
            problem=LockError(
                f"{source.name} {tag} is not locked",
                where=lock_path,
                why="the recipe's build: asks for it, but nobody has pinned its assets yet",
                fix=f"bakery lock {source.name} {tag}",
            ),
        )
    try:
        _check_parts(source, tag, locked)
        images = tuple(_image(source, tag, arch, locked) for arch in source.recipe.arch)
        _check_surplus(source, tag, locked, images)
    except SpellingError as error:
        where = show(source.folder / FILE)
        problem = BakeryError(f"{source.name} {tag}: {error.what}", where=where, fix=error.fix)
        return Release(source=source, version=tag, problem=problem)
    except BakeryError as problem:
        return Release(source=source, version=tag, problem=problem)
    return Release(source=source, version=tag, images=images)


def _check_parts(source: Source, tag: str, locked: LockedVersion) -> None:
    missing, surplus = (
        source.recipe.parts.keys() - locked.parts,
        locked.parts.keys() - source.recipe.parts,
    )
    if missing or surplus:
        details = [f"the lock lacks the part {name}" for name in sorted(missing)]
        details += [f"the recipe has no part {name} any more" for name in sorted(surplus)]
        raise _stale(source, tag, details)


def _check_surplus(
    source: Source, tag: str, locked: LockedVersion, images: tuple[Image, ...]
) -> None:
    used = {asset.url for image in images for asset in image.contents.assets}
    _, surplus = differences(used, locked)
    if surplus:
        raise _stale(source, tag, [f"nothing asks for {url} any more" for url in surplus])


def _stale(source: Source, tag: str, details: list[str]) -> LockError:
    return LockError(
        f"the lock of {source.name} {tag} does not fit its recipe",
        where=show(source.folder / LOCK),
        why="\n".join(details),
        fix=f"bakery lock {source.name} {tag}",
    )


def values(source: Source, tag: str, parts: Mapping[str, str]) -> dict[str, str]:
    """Return what the placeholders stand for that do not depend on an asset.

    Args:
        source: the recipe.
        tag: upstream's version.
        parts: the versions of its parts.

    """
    version = Version.parse(tag)
    found = {
        "name": source.name,
        "version": tag,
        "bare": version.bare,
        "version.bare": version.bare,
        "major": version.major,
        "minor": version.minor,
    }
    for part, chosen in parts.items():
        found[part] = chosen
        found[f"{part}.bare"] = chosen.removeprefix("v")
    return found


def wanted(source: Source, tag: str, arch: Arch, parts: Mapping[str, str]) -> Iterator[Wanted]:
    """Yield the assets that a recipe asks for at one version for one architecture.

    Raises:
        UnknownPlaceholderError: a part's version is not in `parts`.

    """
    recipe = source.recipe
    common = values(source, tag, parts)
    for asset in recipe.assets:
        if not _applies(asset.when, tag):
            continue
        words = {**common, "arch": (asset.arch or recipe.arch)[arch]}
        if isinstance(asset, PypiAsset):
            yield Wanted(
                project=asset.pypi,
                version=asset.version.expand(words),
                platform=asset.platform.expand(words),
                install=_install(asset, words),
            )
        else:
            yield from _wanted_files(asset, tag, words)


def _wanted_files(asset: UrlAsset, tag: str, words: Mapping[str, str]) -> Iterator[Wanted]:
    for file in asset.files or ("",):
        name = file.name if isinstance(file, AssetFile) else file
        if isinstance(file, AssetFile) and not _applies(file.when, tag):
            continue
        here = {**words, "file": name}
        url = asset.url.expand(here)
        sums = asset.checksum
        yield Wanted(
            url=url,
            checksum=sums.url.expand({**here, "url": url}) if sums else None,
            archive=asset.archive,
            install=_install(asset, here),
        )


def _install(asset: UrlAsset | PypiAsset, words: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    if isinstance(asset.install, Template):
        return (("*", asset.install.expand(words)),)
    return tuple((key.expand(words), place.expand(words)) for key, place in asset.install.items())


def _applies(when: Condition | None, tag: str) -> bool:
    return when is None or when.holds(Version.parse(tag))


def _image(source: Source, tag: str, arch: Arch, locked: LockedVersion) -> Image:
    recipe = source.recipe
    words = {**values(source, tag, locked.parts), "arch": recipe.arch[arch]}
    files, templates = _local_files(source, tag)
    contents = Contents(
        name=source.name,
        version=tag,
        arch=arch,
        os=None if recipe.os == "any" else recipe.os,
        assets=_assets(source, tag, arch, locked),
        files=files,
        templates=templates,
        values=words if templates else {},
        write=tuple(
            (path.expand(words), _text(written).expand(words))
            for path, written in recipe.write.items()
            if not isinstance(written, Written) or _applies(written.when, tag)
        ),
        links=tuple(
            (path.expand(words), _target(link).expand(words))
            for path, link in recipe.links.items()
            if not isinstance(link, Link) or _applies(link.when, tag)
        ),
        edit=tuple(
            (path.expand(words), edit.replace, edit.by)
            for path, edits in recipe.edit.items()
            for edit in edits
            if _applies(edit.when, tag)
        ),
        drop=tuple(
            drop.path if isinstance(drop, Drop) else drop
            for drop in recipe.drop
            if not isinstance(drop, Drop) or _applies(drop.when, tag)
        ),
        modes=tuple((path.expand(words), mode) for path, mode in recipe.modes.items()),
        prepare=_script_digest(source),
        start=tuple(
            _unit(start)
            for start in recipe.start
            if not isinstance(start, Start) or _applies(start.when, tag)
        ),
    )
    return Image(source=source, contents=contents, format=recipe.format)


def _text(written: Template | Written) -> Template:
    return written.text if isinstance(written, Written) else written


def _target(link: Template | Link) -> Template:
    return link.target if isinstance(link, Link) else link


def _unit(start: str | Start) -> Unit:
    name = start.unit if isinstance(start, Start) else start
    chosen = start.target if isinstance(start, Start) else None
    return Unit(name, chosen or _TARGETS.get(name.rpartition(".")[2], "multi-user.target"))


def _local_files(source: Source, tag: str) -> tuple[tuple[Local, ...], tuple[str, ...]]:
    files, templates = [], []
    for file in source.files:
        rules = [
            rule
            for pattern, rule in source.recipe.files.items()
            if glob.matches(pattern, file.path)
        ]
        if all(_applies(rule.when, tag) for rule in rules):
            files.append(file)
            if any(rule.template for rule in rules):
                templates.append(file.path)
    return tuple(files), tuple(templates)


def _script_digest(source: Source) -> str | None:
    if source.script is None:
        return None
    return hashlib.sha256(source.script.read_bytes()).hexdigest()


def _assets(source: Source, tag: str, arch: Arch, locked: LockedVersion) -> tuple[Asset, ...]:
    found = []
    for want in wanted(source, tag, arch, locked.parts):
        pinned = want.finds(locked)
        if pinned is None:
            raise _stale(source, tag, [f"the lock lacks {want.label}"])
        if not pinned.is_trusted(source.recipe.trust):
            raise LockError(
                f"too little is known about an asset of {source.name} {tag}",
                where=show(source.folder / LOCK),
                why=f"{pinned.url}\nits digest is known by `{pinned.trust}`, "
                f"the recipe asks for `trust: {source.recipe.trust}`",
                fix=f"bakery lock {source.name} {tag}",
            )
        found.append(
            Asset(
                url=pinned.url,
                sha256=pinned.sha256,
                size=pinned.size,
                filename=_filename(pinned.url),
                archive=want.archive,
                install=want.install,
            )
        )
    return tuple(found)


@functools.lru_cache(maxsize=4096)
def _filename(url: str) -> str:
    return unquote(Path(urlsplit(url).path).name)
