"""What to put onto a machine: an image, a release or a channel, found by name, path or address."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from bakery.check import image_name
from bakery.provision.place import Place, ProvisionError
from bakery.recipe.version import Version
from bakery.release import document, signing, sysupdate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bakery.arch import Arch
    from bakery.release.document import ReleasedImage, ReleaseDocument
    from bakery.settings import Settings

_FOLLOWED = re.compile(r"^CurrentSymlink=/etc/extensions/([a-z0-9-]+)\.raw$", re.MULTILINE)


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


def find(
    reference: str, *, settings: Settings, arch: Arch, keyring: Path | None = None
) -> Extension:
    """Return what a user means.

    Args:
        reference: an image file, which is expected to be published under its own name unless it
            belongs to a release; the folder, address or name of a release, such as
            `docker-20.10.13`; or the name or address of a channel, such as `docker`, whose newest
            version is taken and which the machine then follows.
        settings: where releases are made and published.
        arch: the machine's architecture, where the reference leaves it open.
        keyring: public keys, one of which must have signed it; None takes what is there, but a
            channel must be signed by the keys that it brings.

    Raises:
        ProvisionError: there is no such thing, or none for that architecture.
        ReleaseError: its signature does not hold.

    """
    if "://" in reference:
        return _at(reference.rstrip("/"), None, arch, keyring)
    path = Path(reference)
    if path.name.endswith(".raw"):
        return _image(path, settings, keyring)
    for folder in (path, settings.dist / reference):
        if (folder / document.FILE).is_file():
            return _at(folder.absolute().as_uri(), settings.publish_url, arch, keyring)
    return _at(f"{settings.publish_url}/{reference}", None, arch, keyring)


def _image(path: Path, settings: Settings, keyring: Path | None) -> Extension:
    if not path.is_file():
        raise ProvisionError(
            "there is no such image",
            where=str(path),
            fix="build it with `doit build:NAME`; `doit list` shows what there is",
        )
    place = Place.find(path.parent.absolute().as_uri(), keyring)
    if place and document.FILE in place.digests:
        described = _described(place)
        for image in described.images:
            if image.file == path.name:
                return _of(described, image, settings.publish_url, path)
    if keyring is not None:
        raise ProvisionError(
            "nobody has signed the image", where=str(path), fix="give the folder of its release"
        )
    name = image_name.candidates(path.name)[-1]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    url = f"{settings.publish_url}/{quote(path.name)}"
    return Extension(name=name, file=path.name, sha256=digest, url=url, local=path)


def _at(base: str, published: str | None, arch: Arch, keyring: Path | None) -> Extension:
    """Return what is at an address; `published` is where releases will be, if not beside it."""
    beside, _, name = base.rpartition("/")
    place = Place.find(base, keyring)
    if place is None:
        raise ProvisionError(
            f"there is no release and no channel {name}",
            where=base,
            fix="build it with `doit build:NAME`, publish it, or give a folder or an address",
        )
    if document.FILE in place.digests:
        return _for(place, published or beside, arch)
    return _channel(place, beside, name, arch, keyring)


def _channel(
    place: Place, published: str, channel: str, arch: Arch, keyring: Path | None
) -> Extension:
    transfers = {
        name: place.read(name) for name in (f"{channel}{suffix}" for suffix in sysupdate.SUFFIXES)
    }
    keys = place.read(signing.KEYRING) if signing.KEYRING in place.digests else None
    if keys is not None:
        place.signed_by(keys)  # as machines will ask for
    named = _FOLLOWED.search(next(iter(transfers.values())).decode("utf-8", "replace"))
    tag = _newest(place.digests, f"{named[1]}-", f"-{arch}.raw") if named else None
    if tag is None:
        raise ProvisionError(
            f"the channel {channel} has no image for {arch}",
            where=place.base,
            fix="choose another --arch, or name a release",
        )
    found = _at(f"{published}/{tag}", published, arch, keyring)
    if found.sha256 != place.digests[found.file]:
        raise ProvisionError(
            f"the channel and the release have different files {found.file}",
            where=place.base,
            fix="don't use either, and tell who published them",
        )
    return replace(found, follow=Follow(transfers=transfers, keyring=keys))


def _newest(files: Iterable[str], prefix: str, ending: str) -> str | None:
    """Return the release with the newest version of those whose images are listed."""
    versions = (
        file.removeprefix(prefix).removesuffix(ending)
        for file in files
        if file.startswith(prefix) and file.endswith(ending)
    )
    written = [version for version in versions if Version.is_written(version)]
    return prefix + max(written, key=Version.parse) if written else None


def _for(place: Place, published: str, arch: Arch) -> Extension:
    described = _described(place)
    for image in described.images:
        if image.arch == arch and image.format != "folder":
            local = _local(place.base, image.file)
            return _of(described, image, published, local)
    raise ProvisionError(
        f"{described.name} {described.version} has no image for {arch}",
        fix=f"there are: {', '.join(image.file for image in described.images)}",
    )


def _local(base: str, file: str) -> Path | None:
    if not base.startswith("file:"):
        return None
    path = Path(url2pathname(urlsplit(base).path), file)
    return path if path.is_file() else None


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


def _described(place: Place) -> ReleaseDocument:
    try:
        return document.decode(place.read(document.FILE))
    except ValueError as error:
        raise ProvisionError(
            f"{document.FILE} can't be read",
            where=place.base,
            why=str(error),
            fix="build it again",
        ) from None
