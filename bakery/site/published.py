"""What is published, as the site shows it: read once, verified by each release's own list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

import msgspec

from bakery.errors import BakeryError
from bakery.http import limits
from bakery.http.client import Client
from bakery.recipe.names import INDEX
from bakery.recipe.version import Version
from bakery.release import identity, sums
from bakery.release import index as indexes
from bakery.release.errors import ReleaseError
from bakery.release.reader import ReleaseReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bakery.release.document import ReleaseDocument

_BILL = ".cdx.json"
_SIZE, _ORIGIN = "sysext-bakery:size", "sysext-bakery:origin"


class SiteError(BakeryError):
    """The site can't be made."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file in an image.

    Attributes:
        path: absolute, as hosts see it.
        size: its bytes.
        sha256: its digest, in hexadecimal.
        origin: the asset that it came from, or the recipe's own part.

    """

    path: str
    size: int
    sha256: str
    origin: str


@dataclass(frozen=True, kw_only=True)
class Edition:
    """A published release.

    Attributes:
        document: what it says of itself.
        reader: reads its files.
        url: the address at which people find it.
        day: when it was published; None if nobody says.

    """

    document: ReleaseDocument
    reader: ReleaseReader
    url: str
    day: date | None

    @property
    def version(self) -> str:
        """Upstream's version."""
        return self.document.version

    @cached_property
    def files(self) -> Mapping[str, tuple[File, ...]]:
        """The files in its images, by the name of each image (CycloneDX 1.6, `components`).

        Raises:
            ReleaseError: the bill of materials can't be read.

        """
        names = [name for name in self.document.sbom if name.endswith(_BILL)]
        if not names:
            return {}
        bill = msgspec.json.decode(self.reader.read(names[0]), type=_Bill)
        return {
            image.name: tuple(map(_file, image.components))
            for image in bill.components
            if image.name.endswith(".raw")
        }


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A published channel.

    Attributes:
        name: its own, such as `kubernetes-v1.32`.
        url: its address.
        reader: reads its files; None where it can't be believed.
        newest: the version that it offers; empty where it can't be believed.
        until: the first day on which its list is out of date; None if it names none.
        problem: why it can't be believed; empty if it can.

    """

    name: str
    url: str
    reader: ReleaseReader | None
    newest: str = ""
    until: date | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """One extension's releases and channels.

    Attributes:
        name: the extension's.
        url: the address that its releases are published below.
        editions: its releases, the newest first.
        channels: its channels.

    """

    name: str
    url: str
    editions: tuple[Edition, ...]
    channels: tuple[Channel, ...]

    @property
    def newest(self) -> Edition:
        """The newest release."""
        return self.editions[0]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where releases are published.

    Attributes:
        base: the address (http, https or file) to read, without a slash at the end.
        url: the address at which hosts and people find the same.
        channels: the addresses of channels, likewise.

    """

    base: str
    url: str
    channels: tuple[str, str]


def read(places: Sequence[Place], keyring: Path | None = None) -> list[Publication]:
    """Return everything that is published at some places, by name.

    Args:
        places: those that have a bakery.json; of what several publish, the first one's counts.
        keyring: public keys, one of which must have signed each list; None asks for no signature.

    Raises:
        SiteError: nothing is published there.
        ReleaseError: what is published can't be read, or a signature does not hold.

    """
    found: dict[str, Publication] = {}
    for place in places:
        for publication in _read(place, keyring):
            found.setdefault(publication.name, publication)
    return [found[name] for name in sorted(found)]


def _read(place: Place, keyring: Path | None) -> Iterator[Publication]:
    bases = dict.fromkeys((place.channels[0], place.base))
    opened = (_opened(f"{base}/{INDEX}", keyring) for base in bases)
    listed = next((reader for reader in opened if reader is not None), None)
    if listed is None:
        raise SiteError(
            "nothing is published here",
            where=place.base,
            why=f"there is no {INDEX}/{INDEX}.json",
            fix="publish first (`doit publish channel`), or say where: --from FOLDER|ADDRESS",
        )
    releases = indexes.decode(listed.read(f"{INDEX}.json")).releases
    for name in dict.fromkeys(each.name for each in releases):
        own = [each for each in releases if each.name == name]
        own.sort(key=lambda each: Version.parse(each.version), reverse=True)
        editions = tuple(_edition(place, each.tag, keyring) for each in own)
        channels = tuple(_channels(place, editions, keyring))
        yield Publication(name=name, url=place.url, editions=editions, channels=channels)


def _edition(place: Place, tag: str, keyring: Path | None) -> Edition:
    reader = _opened(f"{place.base}/{tag}", keyring)
    if reader is None:
        raise SiteError(
            "a release is listed, and not there",
            where=f"{place.base}/{tag}",
            fix="run `doit channel:index` anew",
        )
    return Edition(
        document=identity.release(reader),
        reader=reader,
        url=f"{place.url}/{quote(tag)}",
        day=_day(reader),
    )


def _channels(place: Place, editions: Sequence[Edition], keyring: Path | None) -> Iterator[Channel]:
    stems = (name.rpartition(".")[0] for each in editions for name in each.document.transfers)
    base, url = place.channels
    for name in dict.fromkeys(stems):
        try:
            reader = _opened(f"{base}/{name}", keyring)
            if reader is not None and not identity.is_release(reader):
                yield _channel(name, f"{url}/{name}", reader)
        except ReleaseError as error:
            problem = error.what
            yield Channel(name=name, url=f"{url}/{name}", reader=None, problem=problem)


def _channel(name: str, url: str, reader: ReleaseReader) -> Channel:
    versions = (each.version for each in identity.channel(reader))
    newest = max(versions, key=Version.parse, default="")
    until = sums.best_before(reader.index)
    return Channel(name=name, url=url, reader=reader, newest=newest, until=until)


def _opened(base: str, keyring: Path | None) -> ReleaseReader | None:
    reader = ReleaseReader.find(base)
    if reader is not None and keyring is not None:
        reader.check_signature(keyring)
    return reader


def _day(reader: ReleaseReader) -> date | None:
    """Return when a release was published: as its server, or the folder's file system, says."""
    url = f"{reader.base}/{sums.FILE}"
    if url.startswith("file:"):
        modified = Path(url2pathname(urlsplit(url).path)).stat().st_mtime
        return datetime.fromtimestamp(modified, UTC).date()
    if not url.startswith("http"):
        return None  # a registry does not say
    answer = Client().request("HEAD", url, size=limits.DOCUMENT)
    said = answer.headers.get("Last-Modified")
    return parsedate_to_datetime(said).date() if said else None


class _Named(msgspec.Struct, frozen=True):
    name: str
    value: str = ""


class _Hash(msgspec.Struct, frozen=True):
    alg: str
    content: str


class _Component(msgspec.Struct, frozen=True):
    name: str
    components: tuple[_Component, ...] = ()
    hashes: tuple[_Hash, ...] = ()
    properties: tuple[_Named, ...] = ()


class _Bill(msgspec.Struct, frozen=True):
    components: tuple[_Component, ...] = ()


def _file(component: _Component) -> File:
    said = {each.name: each.value for each in component.properties}
    digests = {each.alg: each.content for each in component.hashes}
    return File(
        path=component.name,
        size=int(said.get(_SIZE, "0")),
        sha256=digests.get("SHA-256", ""),
        origin=said.get(_ORIGIN, ""),
    )
