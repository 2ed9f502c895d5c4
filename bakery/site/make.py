"""Make the site: read, render, and write what has changed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.files import write_whole
from bakery.release import index as indexes
from bakery.release import sums
from bakery.site import readme
from bakery.site.configurations import choices
from bakery.site.errors import SiteError
from bakery.site.published import Place, read
from bakery.site.render import Renderer, Site
from bakery.site.views import Extension

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bakery.recipe.load import Source
    from bakery.settings import Settings
    from bakery.site.published import Publication

LIST = ".site-files"
"""What this wrote into a folder, a path a line; nothing else there is ever removed."""


@dataclass(frozen=True)
class Written:
    """How many files were written, left as they were, and removed."""

    changed: int
    kept: int
    removed: int

    def __str__(self) -> str:
        return f"{self.changed} files written, {self.kept} as they were, {self.removed} removed"


def places(settings: Settings, given: Sequence[str]) -> list[Place]:
    """Return where to read: the project's own publisher, unless addresses or folders are given.

    Raises:
        SiteError: one is a folder that is not there.

    """
    if not given:
        own = _readable(settings, settings.publisher, settings.publish_url)
        place = settings.channels or settings.publisher
        followed = _readable(settings, place, settings.channels_url)
        urls = settings.publish_url, settings.channels_url
        return [Place(base=own, url=urls[0], channels=(followed, urls[1]))]
    found = []
    for each in given:
        if "://" in each:
            url = each.rstrip("/")
            found.append(Place(base=url, url=url, channels=(url, url)))
            continue
        if not Path(each).is_dir():
            raise SiteError("there is no such folder", where=each, fix="--from FOLDER|ADDRESS")
        base = Path(each).resolve().as_uri()
        channels = (base, settings.channels_url)
        found.append(Place(base=base, url=settings.publish_url, channels=channels))
    return found


def _readable(settings: Settings, publisher: str, url: str) -> str:
    """Return the folder that is published at an address, where this computer has it."""
    kind, _, path = publisher.partition(":")
    folder = (settings.root / path).resolve()
    return folder.as_uri() if kind == "directory" and folder.is_dir() else url


def extensions(
    publications: Sequence[Publication], sources: Mapping[str, Source], source_url: str
) -> list[Extension]:
    """Return what is published with what recipes say of it."""
    others = {each.name: each for each in publications}
    return [
        Extension(
            publication=each,
            source=sources.get(each.name),
            choices=tuple(choices(each, others)),
            readme=readme.html(sources.get(each.name), source_url, others.keys()),
        )
        for each in publications
    ]


def make(
    folder: Path,
    settings: Settings,
    sources: Mapping[str, Source],
    *,
    given: Sequence[str] = (),
    keyring: Path | None = None,
    site: Site | None = None,
) -> Written:
    """Write the site into a folder, which may have other files as well.

    Args:
        folder: where.
        settings: where things are published, and by whom.
        sources: the recipes.
        given: addresses and folders to read; none for the project's own.
        keyring: keys, one of which must have signed what is read; None asks for no signature.
        site: what is the same on every page.

    Raises:
        SiteError: nothing is published.
        ReleaseError: what is published can't be read, or a signature does not hold.
        OSError: a file can't be written.

    """
    site = site or Site(source=repository(settings))
    found = extensions(read(places(settings, given), keyring), sources, site.source)
    files = Renderer(site, found).files()
    return write(folder, (each for each in files if not _is_a_channels(folder, each[0])))


def _is_a_channels(folder: Path, name: str) -> bool:
    """Return whether a file is the signed list of a channel, which is served by the same folder."""
    return name.endswith(sums.FILE) and (folder / name).with_name(indexes.CHANNEL).is_file()


def repository(settings: Settings) -> str:
    """Return the address of the recipes' repository; empty if the publisher does not tell it."""
    kind, _, name = settings.publisher.partition(":")
    return f"https://github.com/{name}" if kind == "github" else ""


def write(folder: Path, files: Iterable[tuple[str, bytes]]) -> Written:
    """Write files into a folder, those that differ; remove what was written before and is gone."""
    listed = folder / LIST
    before = set(listed.read_text("utf-8").splitlines()) if listed.is_file() else set()
    changed, now, folders = 0, [], set[str]()
    for name, data in files:
        now.append(name)
        file = f"{folder}/{name}"
        if name in before and _holds(file, data):
            continue
        parent = file.rpartition("/")[0]
        if parent not in folders:
            Path(parent).mkdir(parents=True, exist_ok=True)
            folders.add(parent)
        with open(file, "wb") as written:  # noqa: PTH123  ten thousand of them
            written.write(data)  # nothing is lost with it: it can be made again
        changed += 1
    gone = [path for path in map(folder.joinpath, before.difference(now)) if _is_in(path, folder)]
    for path in gone:
        path.unlink()
    write_whole(listed, "".join(f"{name}\n" for name in sorted(now)).encode())
    return Written(changed=changed, kept=len(now) - changed, removed=len(gone))


def _is_in(path: Path, folder: Path) -> bool:
    """Return whether a file is there, and in a folder: a list may have been written by others."""
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


def _holds(path: str, data: bytes) -> bool:
    """Return whether a file is there and has these bytes."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  ten thousand of them
            return os.fstat(file.fileno()).st_size == len(data) and file.read() == data
    except OSError:
        return False
