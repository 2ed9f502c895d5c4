"""What an image is made of: everything expanded, nothing left to decide."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from bakery.recipe.names import ImageName, release_name

if TYPE_CHECKING:
    from bakery.arch import Arch
    from bakery.errors import BakeryError
    from bakery.recipe.load import Source
    from bakery.recipe.local import Local
    from bakery.recipe.model import OsLevel, OsVersion
    from bakery.recipe.types import Archive, Format


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One pinned asset of one image.

    Attributes:
        url: the lock's address for it.
        sha256: its digest.
        size: its bytes, where known.
        filename: the name it is published under.
        archive: what kind of file it is; None when its name tells.
        install: pairs of a glob of members and the place for what it matches.
        bundle: what names the assets that share `install`; None for one that stands alone.

    """

    url: str
    sha256: str
    size: int | None
    filename: str
    archive: Archive | None
    install: tuple[tuple[str, str], ...]
    bundle: str | None = None


class Unit(msgspec.Struct, frozen=True):
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
    def name(self) -> ImageName:
        """What it is called."""
        return ImageName(self.contents.name, self.contents.version, self.contents.arch)

    @property
    def id(self) -> str:
        """Its full name, such as `docker-20.10.13-x86-64`."""
        return str(self.name)

    @property
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
        return release_name(self.source.name, self.version)
