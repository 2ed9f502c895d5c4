"""Extensions for hosts: images, releases and channels, resolved by name, path or address."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from bakery.check import image_name
from bakery.check.loader import contents
from bakery.http import address
from bakery.image import release_file
from bakery.image.verity.signing import Certificates, fingerprint
from bakery.provision import registry
from bakery.provision.errors import ProvisionError
from bakery.recipe.template import ADDRESS
from bakery.recipe.types import EXTENSION_NAME
from bakery.recipe.version import Version
from bakery.registry.reference import SCHEME
from bakery.release import document, identity, signing, sums, sysupdate
from bakery.release.document import ReleasedVerity
from bakery.release.errors import ReleaseError
from bakery.release.reader import ReleaseReader
from bakery.settings import CERTIFICATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bakery.arch import Arch
    from bakery.release.document import ReleasedImage, ReleaseDocument
    from bakery.release.index import IndexedRelease
    from bakery.settings import Settings

_URL = f"(?:https?|file|oci)://{ADDRESS}"


@dataclass(frozen=True, kw_only=True)
class Component:
    """The systemd-sysupdate component by which a host follows a channel (sysupdate.d(5)).

    Attributes:
        transfers: the transfer files, by name.
        images: the names of its images for one architecture, as a pattern.
        keyring: the public keys that sign the channel; None if it is not signed.

    """

    transfers: Mapping[str, bytes]
    images: str
    keyring: bytes | None


@dataclass(frozen=True, kw_only=True)
class Extension:
    """One image for one host.

    Attributes:
        name: the extension's name on hosts.
        version: upstream's tag; None if no release.json gives it.
        file: the image file's name, where it is published.
        host_file: its name on hosts, where the image for dm-verity has the plain one's.
        sha256: its digest, in hexadecimal.
        size: its bytes; None if no release.json gives them.
        url: the address that hosts download it from.
        local: the image file, if it is on this computer.
        requires: extensions that must be merged too.
        conflicts: extensions that it can't run beside.
        replaces: built-in extensions that must be masked.
        os: the ID of the hosts it fits; `any` for all.
        component: follows a channel's newer versions; None to stay at this one.
        certificates: those that its signature can be verified with, in PEM; empty for no signature.

    """

    name: str
    file: str
    host_file: str
    sha256: str
    url: str
    local: Path | None
    version: str | None = None
    size: int | None = None
    requires: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    os: str = "any"
    component: Component | None = None
    certificates: bytes = b""

    def __post_init__(self) -> None:
        """Refuse what can't be part of paths, units and scripts on hosts.

        Raises:
            ProvisionError: a name, digest or address holds other characters than such have.

        """
        names = (self.name, *self.requires, *self.conflicts, *self.replaces)
        for text, pattern in (
            *((name, EXTENSION_NAME) for name in names),
            (self.file, sums.NAME),
            (self.host_file, sums.NAME),
            (self.sha256, "[0-9a-f]{64}"),
            (self.url, _URL),
        ):
            if not re.fullmatch(pattern, text):
                raise ProvisionError(
                    "hosts can't have an extension of this name, file or address",
                    where=text,
                    fix="use letters, digits and .-_ in names; encode the rest in addresses",
                )


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What of a release or channel a host wants.

    Attributes:
        arch: the host's architecture.
        verity: whether to take the image that has its own dm-verity data.
        keyring: public keys, one of which must have signed it; None asks for no signature.

    """

    arch: Arch
    verity: bool = False
    keyring: Path | None = None


def resolve(reference: str, *, settings: Settings, wanted: Wanted) -> Extension:
    """Return the extension that a user's reference names.

    Args:
        reference: an image file, which is expected to be published under its own name unless it
            belongs to a release; the folder, address or name of a release, such as
            `docker-20.10.13`; or the name or address of a channel, such as `docker`, whose newest
            version is taken and which the host then follows.
        settings: the folder of releases, and the address where they are published.
        wanted: what of it; where the reference names an image, that one is taken. A channel must
            be signed by the keys that it brings, even where no others are given.

    Raises:
        ProvisionError: there is no such image, release or channel, or none for that architecture.
        ReleaseError: what is published can't be read, or its signature is missing or wrong.

    """
    if "://" in reference:
        apart = reference.startswith(f"{settings.channels_url}/")
        published = settings.publish_url if apart else None
        return _from_address(reference.rstrip("/"), published, wanted)
    path = Path(reference)
    if path.name.endswith(".raw"):
        return _from_image(path, settings, wanted.keyring)
    for built in (path, settings.dist / reference):
        if (built / document.FILE).is_file():
            return _from_address(built.resolve().as_uri(), settings.publish_url, wanted)
    places = dict.fromkeys((settings.channels_url, settings.publish_url))
    bases = [f"{place}/{reference}" for place in places]
    base = next((base for base in bases[:-1] if ReleaseReader.find(base)), bases[-1])
    try:
        return _from_address(base, settings.publish_url, wanted)
    except ReleaseError as error:
        if settings.is_published_nowhere:
            error.fix = (
                "build it, or set BAKERY_PUBLISH_URL, or publish_url below [tool.bakery], to\n"
                'where releases are published, as in "https://…"'
            )
        raise


def mirrored(extension: Extension, mirror: str) -> Extension:
    """Return an extension that hosts download from a mirror, which serves each host as a folder.

    Raises:
        ProvisionError: it is in a registry.

    """
    followed = extension.component and registry.followed(extension.component)
    if followed or extension.url.startswith(SCHEME):
        raise ProvisionError(
            "a registry has no mirror that serves it as a folder",
            where=extension.name,
            fix="name the registry that machines reach, as in oci://HOST/PATH/CHANNEL, without "
            "--mirror",
        )
    component = extension.component and replace(
        extension.component,
        transfers={
            name: sysupdate.moved(text, lambda url: address.mirrored(url, mirror))
            for name, text in extension.component.transfers.items()
        },
    )
    return replace(extension, url=address.mirrored(extension.url, mirror), component=component)


def _from_image(path: Path, settings: Settings, keyring: Path | None) -> Extension:
    if not path.is_file():
        raise ProvisionError(
            "there is no such image",
            where=str(path),
            fix="build it with `doit build:NAME`; `doit list` shows what there is",
        )
    folder = _open(path.parent.resolve().as_uri(), keyring)
    if folder and document.FILE in folder.digests:
        release = folder.document()
        identity.compare(folder, release)
        for image in release.images:
            for each in image.files:
                if each.file == path.name:
                    return _extension(folder, release, image, each, settings.publish_url)
    if keyring is not None:
        raise ProvisionError(
            "nobody has signed the image", where=str(path), fix="give the folder of its release"
        )
    name = _name_inside(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if settings.publish_url.startswith(SCHEME):
        raise ProvisionError(
            "a registry has images of releases alone",
            where=str(path),
            fix="give the folder of its release",
        )
    url = f"{settings.publish_url}/{quote(path.name)}"
    return Extension(
        name=name, file=path.name, host_file=path.name, sha256=digest, url=url, local=path
    )


def _name_inside(path: Path) -> str:
    """Return the name by which a host merges an image: its own, and its release file's.

    Raises:
        ProvisionError: they differ.
        BakeryError: the image can't be read.

    """
    with contents(path) as root:
        found = sorted(each.name for each in (root / release_file.path("")).parent.glob("*"))
    inside = [name.removeprefix("extension-release.") for name in found]
    names = image_name.candidates(path.name)
    for name in names:
        if name in inside:
            return name
    raise ProvisionError(
        "hosts would not merge the image under the name of its file",
        where=str(path),
        why=f"its release file is for {' and '.join(inside)}"
        if inside
        else f"it has no {release_file.path(names[-1])}",
        fix=f"rename it: mv {path} {path.with_name(inside[0])}.raw" if inside else "build it anew",
    )


def _open(base: str, keyring: Path | None) -> ReleaseReader | None:
    reader = ReleaseReader.find(base)
    if reader is not None and keyring is not None:
        reader.check_signature(keyring)
    return reader


def _from_address(base: str, published: str | None, wanted: Wanted) -> Extension:
    """Return the release or channel at an address.

    `published` is the address that releases will have; None if they are beside this one.
    """
    parent, _, name = base.rpartition("/")
    folder = _open(base, wanted.keyring)
    if folder is None:
        raise ProvisionError(
            f"there is no release and no channel {name}",
            where=base,
            fix="build it with `doit build:NAME`, publish it, or give a folder or an address",
        )
    if identity.is_release(folder):
        return of_release(folder, published or parent, wanted)
    place = published or parent
    return of_channel(
        folder, name, wanted, lambda tag: _from_address(f"{place}/{tag}", place, wanted)
    )


def of_channel(
    folder: ReleaseReader, channel: str, wanted: Wanted, release: Callable[[str], Extension]
) -> Extension:
    """Return the newest version in a channel, which the host then follows; see `resolve`.

    Args:
        folder: the channel.
        channel: its name.
        wanted: what of it.
        release: returns what a release has, by its name.

    """
    keys = folder.read(signing.KEYRING) if signing.KEYRING in folder.digests else None
    if keys is not None:
        folder.signed_by(keys)  # as hosts will
    releases = identity.channel(folder)
    listed = _newest(releases, wanted.arch)
    if listed is None:
        raise ProvisionError(
            f"the channel {channel} has no image for {wanted.arch}",
            where=folder.base,
            fix="choose another --arch, or name a release",
        )
    newest = release(listed.tag)
    if (newest.name, newest.sha256) != (listed.name, folder.digests.get(newest.file)):
        raise ProvisionError(
            f"the channel and the release have different files {newest.file}",
            where=folder.base,
            fix="don't use either, and tell who published them",
        )
    start = f"{channel}-" if channel == newest.name else f"{channel}."  # as in its transfers
    images = f"{start}*-{wanted.arch}.raw"
    transfers = {
        f"{channel}{suffix}": _followed(folder, f"{channel}{kind}{suffix}")
        for suffix in sysupdate.SUFFIXES
        for kind in (sysupdate.VERITY if wanted.verity and suffix != sysupdate.COMPONENT else "",)
    }
    return replace(newest, component=Component(transfers=transfers, images=images, keyring=keys))


def _followed(folder: ReleaseReader, name: str) -> bytes:
    """Return a transfer file that leads to where the channel was found: it may be a mirror's.

    What is found in a folder of this computer is followed at the address that it was made for.
    """
    text = folder.read(name)
    return text if folder.base.startswith("file:") else sysupdate.moved(text, lambda _: folder.base)


def _newest(releases: Iterable[IndexedRelease], arch: Arch) -> IndexedRelease | None:
    """Return the newest release that has an image for an architecture."""
    fitting = [each for each in releases if any(image.arch == arch for image in each.images)]
    return max(fitting, key=lambda each: Version.parse(each.version), default=None)


def of_release(folder: ReleaseReader, published: str, wanted: Wanted) -> Extension:
    """Return an image of a release, published below an address; see `resolve`."""
    release = identity.release(folder)
    fitting = [image for image in release.images if image.arch == wanted.arch]
    for image in fitting:
        file = image.verity if wanted.verity else image
        if file in image.files and file is not None:
            return _extension(folder, release, image, file, published)
    if fitting and wanted.verity:
        raise ProvisionError(
            f"{release.name} {release.version} has no image for dm-verity",
            where=folder.base,
            fix="have its publisher say `format: verity` in the recipe, or set BAKERY_VERITY; or "
            "take the plain image, without --verity and --enforce",
        )
    if fitting:
        raise ProvisionError(
            f"{release.name} {release.version} is a folder, and no image",
            why="hosts can't download a folder, nor would a digest say whether it is whole",
            fix="build it with another `format:`, or copy it to the host: "
            f"cp -a FOLDER /var/lib/extensions/{release.name}",
        )
    raise ProvisionError(
        f"{release.name} {release.version} has no image for {wanted.arch}",
        fix=f"there are: {', '.join(image.file for image in release.images)}",
    )


def _local(base: str, file: str) -> Path | None:
    if not base.startswith("file:"):
        return None
    path = Path(url2pathname(urlsplit(base).path), file)
    return path if path.is_file() else None


def _extension(
    folder: ReleaseReader,
    release: ReleaseDocument,
    image: ReleasedImage,
    file: ReleasedImage | ReleasedVerity,
    published: str,
) -> Extension:
    host = release.os
    return Extension(
        name=release.name,
        version=release.version,
        file=file.file,
        host_file=image.file,
        sha256=file.sha256,
        size=file.size,
        url=registry.image(published, file.sha256)
        if published.startswith(SCHEME)
        else f"{published}/{quote(f'{release.tag}/{file.file}')}",
        local=_local(folder.base, file.file),
        requires=release.requires,
        conflicts=release.conflicts,
        replaces=release.replaces,
        os=host if isinstance(host, str) else host.id,
        certificates=_certificates(folder, file) if isinstance(file, ReleasedVerity) else b"",
    )


def _certificates(folder: ReleaseReader, image: ReleasedVerity) -> bytes:
    """Return what a release hands out of certificates, with its signer's; none if nobody signed.

    Raises:
        ProvisionError: the signer's is not among them, without which hosts merge nothing at all.

    """
    if not image.signed_by:
        return b""
    handed_out = folder.read(CERTIFICATE) if CERTIFICATE in folder.digests else b""
    try:
        known = Certificates(handed_out).all if handed_out else ()
    except ValueError:
        known = ()
    if image.signed_by not in map(fingerprint, known):
        raise ProvisionError(
            f"{image.file} is signed, and hosts can't get the certificate for it",
            where=f"{folder.base}/{CERTIFICATE}",
            why=f"it has none with the SHA-256 {image.signed_by};\n"
            "without it, a host merges nothing at all, other extensions included",
            fix="tell who publishes; until then, take the plain image, without --verity",
        )
    return handed_out
