"""Indexes for programs: bakery.json, and one index.json for each extension.

Both follow a published JSON Schema (`bakery schema site`), whose `version` counts up when a program
that reads them would have to change; what is added does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from bakery.arch import Arch  # noqa: TC001  msgspec reads it at run time
from bakery.decoding import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.site.published import Edition
    from bakery.site.views import Extension

VERSION = 1


class IndexImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image: its architecture in systemd's words, file system or `verity`, bytes, and digest."""

    arch: Arch
    file: str
    format: str
    url: str
    size: int
    sha256: str


class IndexVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A release: upstream's version, the day it was published on, and its images."""

    version: str
    date: str | None
    release: str
    images: tuple[IndexImage, ...]


class IndexChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel: its address, the version it offers, and the day its list ends on."""

    name: str
    url: str
    newest: str
    until: str | None


class IndexExtension(msgspec.Struct, frozen=True, kw_only=True):
    """An extension, with all of its releases, the newest first."""

    name: str
    summary: str
    homepage: str
    license: str
    tier: str
    requires: tuple[str, ...]
    conflicts: tuple[str, ...]
    replaces: tuple[str, ...]
    channels: tuple[IndexChannel, ...]
    versions: tuple[IndexVersion, ...]


class SiteIndex(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is published; `version` is that of this format."""

    version: int
    extensions: tuple[IndexExtension, ...]


def catalogue(extensions: Sequence[Extension]) -> bytes:
    """Return bakery.json."""
    return to_json(SiteIndex(version=VERSION, extensions=tuple(map(_described, extensions))))


def extension(of: Extension) -> bytes:
    """Return the index.json of an extension."""
    return to_json(SiteIndex(version=VERSION, extensions=(_described(of),)))


def _described(of: Extension) -> IndexExtension:
    document = of.newest.document
    return IndexExtension(
        name=of.name,
        summary=document.summary,
        homepage=str(document.homepage),
        license=document.license,
        tier=document.tier,
        requires=document.requires,
        conflicts=document.conflicts,
        replaces=document.replaces,
        channels=tuple(
            IndexChannel(
                name=each.name,
                url=each.url,
                newest=each.newest,
                until=str(each.until) if each.until else None,
            )
            for each in of.publication.channels
        ),
        versions=tuple(map(_version, of.editions)),
    )


def _version(edition: Edition) -> IndexVersion:
    base = edition.url
    return IndexVersion(
        version=edition.version,
        date=str(edition.day) if edition.day else None,
        release=f"{base}/release.json",
        images=tuple(
            IndexImage(
                arch=image.arch,
                file=file.file,
                format=image.format if file is image else "verity",
                url=f"{base}/{quote(file.file)}",
                size=file.size,
                sha256=file.sha256,
            )
            for image in edition.document.images
            for file in image.files
        ),
    )
