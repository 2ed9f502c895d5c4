"""What to put onto a machine: an image, a release or a channel, found by name, path or address."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from bakery.check import image_name
from bakery.errors import BakeryError
from bakery.recipe.version import Version
from bakery.release import document, signing, sums, sysupdate
from bakery.store.patience import Patience
from bakery.store.transport import SourceError, request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bakery.recipe.model import Arch
    from bakery.release.document import ReleasedImage, ReleaseDocument
    from bakery.settings import Settings

_SMALL = 16 << 20  # bytes of an index, a keyring or release.json
_FOLLOWED = re.compile(r"^CurrentSymlink=/etc/extensions/([a-z0-9-]+)\.raw$", re.MULTILINE)


class ProvisionError(BakeryError):
    """A machine can't be given what was asked for."""


@dataclass(frozen=True, kw_only=True)
class Follow:
    """What makes a machine follow a channel.

    Attributes:
        transfers: systemd-sysupdate's files, by name.
        keyring: the keys that sign the channel; None where nobody does.

    """

    transfers: Mapping[str, bytes]
    keyring: bytes | None


@dataclass(frozen=True, kw_only=True)
class Extension:
    """One image for one machine.

    Attributes:
        name: what the host calls it.
        file: the image file's name.
        sha256: its digest.
        url: where machines download it.
        local: the file itself, where it is on this computer.
        requires: extensions that must be there too.
        replaces: built-in extensions that must be masked.
        os: the ID of the hosts it fits; `any` for all.
        follow: what makes the machine follow newer ones; None keeps it at this one.

    """

    name: str
    file: str
    sha256: str
    url: str
    local: Path | None
    requires: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    os: str = "any"
    follow: Follow | None = None


def find(reference: str, *, settings: Settings, arch: Arch) -> Extension:
    """Return what a user means.

    Args:
        reference: an image file, which is expected to be published under its own name unless it
            belongs to a release; the folder, address or name of a release, such as
            `docker-20.10.13`; or the name or address of a channel, such as `docker`, whose newest
            version is taken and which the machine then follows.
        settings: where releases are made and published.
        arch: the machine's architecture, where the reference leaves it open.

    Raises:
        ProvisionError: there is no such thing, or none for that architecture.

    """
    path = Path(reference)
    if path.name.endswith(".raw") and "://" not in reference:
        return _image(path, settings)
    for folder in (path, settings.dist / reference):
        if "://" not in reference and (folder / document.FILE).is_file():
            return _release(folder, settings.publish_url, arch)
    base = reference.rstrip("/") if "://" in reference else f"{settings.publish_url}/{reference}"
    described = _read(base, document.FILE)
    if described is not None:
        return _described(_decoded(base, described), base.rpartition("/")[0], arch)
    return _channel(base, arch)


def _image(path: Path, settings: Settings) -> Extension:
    if not path.is_file():
        raise ProvisionError("there is no such image", where=str(path), fix="doit list")
    beside = path.with_name(document.FILE)
    if beside.is_file():
        described = _decoded(str(path.parent), beside.read_bytes())
        for image in described.images:
            if image.file == path.name:
                return _of(described, image, settings.publish_url, path)
    name = image_name.candidates(path.name)[-1]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    url = f"{settings.publish_url}/{quote(path.name)}"
    return Extension(name=name, file=path.name, sha256=digest, url=url, local=path)


def _release(folder: Path, published: str, arch: Arch) -> Extension:
    described = _decoded(str(folder), (folder / document.FILE).read_bytes())
    found = _described(described, published, arch)
    local = folder / found.file
    return replace(found, local=local if local.is_file() else None)


def _channel(base: str, arch: Arch) -> Extension:
    published, _, channel = base.rpartition("/")
    index = _read(base, sums.FILE)
    if index is None:
        raise ProvisionError(
            f"there is no release and no channel {channel}",
            where=base,
            fix="build it with `doit build:NAME`, publish it, or give a folder or an address",
        )
    digests = _sums(base, index)
    transfers = {
        name: _required(base, name)
        for name in (f"{channel}{suffix}" for suffix in sysupdate.SUFFIXES)
    }
    named = _FOLLOWED.search(next(iter(transfers.values())).decode("utf-8", "replace"))
    tag = _newest(digests, f"{named[1]}-", f"-{arch}.raw") if named else None
    if tag is None:
        raise ProvisionError(f"the channel {channel} has no image for {arch}", where=base)
    newest = f"{tag}-{arch}.raw"
    described = _decoded(f"{published}/{tag}", _required(f"{published}/{tag}", document.FILE))
    found = _described(described, published, arch)
    if found.sha256 != digests[newest]:
        raise ProvisionError(f"the channel and the release have different files {newest}")
    keyring = _required(base, signing.KEYRING) if signing.KEYRING in digests else None
    return replace(found, follow=Follow(transfers=transfers, keyring=keyring))


def _newest(files: Iterable[str], prefix: str, ending: str) -> str | None:
    """Return the release with the newest version of those whose images are listed."""
    versions = (
        file.removeprefix(prefix).removesuffix(ending)
        for file in files
        if file.startswith(prefix) and file.endswith(ending)
    )
    written = [version for version in versions if Version.is_written(version)]
    return prefix + max(written, key=Version.parse) if written else None


def _described(described: ReleaseDocument, published: str, arch: Arch) -> Extension:
    for image in described.images:
        if image.arch == arch and image.format != "folder":
            return _of(described, image, published, None)
    raise ProvisionError(
        f"{described.name} {described.version} has no image for {arch}",
        fix=f"there are: {', '.join(image.file for image in described.images)}",
    )


def _of(
    described: ReleaseDocument, image: ReleasedImage, published: str, local: Path | None
) -> Extension:
    host = described.os
    return Extension(
        name=described.name,
        file=image.file,
        sha256=image.sha256,
        url=f"{published}/{quote(f'{described.name}-{described.version}/{image.file}')}",
        local=local,
        requires=described.requires,
        replaces=described.replaces,
        os=host if isinstance(host, str) else host.id,
    )


def _decoded(place: str, data: bytes) -> ReleaseDocument:
    try:
        return document.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProvisionError(
            f"{document.FILE} can't be read", where=place, why=str(error), fix="build it again"
        ) from None


def _sums(base: str, index: bytes) -> dict[str, str]:
    try:
        return sums.decode(index)
    except ValueError as error:
        raise ProvisionError(f"{sums.FILE} can't be read", where=base, why=str(error)) from None


def _required(base: str, name: str) -> bytes:
    data = _read(base, name)
    if data is None:
        raise ProvisionError(f"{name} is missing", where=base, fix="publish it again")
    return data


def _read(base: str, name: str) -> bytes | None:
    """Return a small file; None where there is none."""
    kept = bytearray()
    try:
        with request(f"{base}/{quote(name)}", None, Patience()) as answer:
            while (chunk := answer.read()) and len(kept) <= _SMALL:
                kept += chunk
    except SourceError as error:
        if error.status == HTTPStatus.NOT_FOUND or base.startswith("file:"):
            return None
        raise ProvisionError(
            f"{name} can't be read",
            where=base,
            why=str(error),
            fix="give the folder or the address of a release; `bakery settings` has the usual ones",
        ) from None
    if len(kept) > _SMALL:
        raise ProvisionError(f"{name} is too large to be true", where=base)
    return bytes(kept)
