"""What is published, as the site shows it: read once, verified by each release's own list."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from bakery.decoding import from_json
from bakery.recipe.names import INDEX
from bakery.recipe.version import Version
from bakery.release import document, identity, signing, sums, sysupdate
from bakery.release import index as indexes
from bakery.release.errors import ReleaseError
from bakery.release.reader import ReleaseReader
from bakery.site.errors import SiteError
from bakery.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from bakery.release.document import ReleaseDocument
    from bakery.release.index import IndexedRelease

    _Answer = ReleaseReader | ReleaseError | None

_BILL = ".cdx.json"
_SIZE, _ORIGIN = "sysext-bakery:size", "sysext-bakery:origin"
_FOLLOWED = sysupdate.SUFFIXES[0]
_TELLING = (document.FILE, indexes.CHANNEL, signing.KEYRING)
_READERS = 16  # threads, which wait for servers most of the time


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
    def files(self) -> tuple[File, ...]:
        """The files in its first image (CycloneDX 1.6, `components`).

        Raises:
            ReleaseError: the bill of materials can't be read.

        """
        data = self.bill()
        if data is None:
            return ()
        try:
            images = from_json(data, _Bill).components
            first = next((image for image in images if image.name.endswith(".raw")), None)
            return tuple(map(_file, first.components)) if first else ()
        except ValueError as error:
            raise ReleaseError(
                "its bill of materials can't be read", where=self.reader.base, why=str(error)
            ) from None

    def bill(self) -> bytes | None:
        """Return its bill of materials, which is read once; None if it has none.

        Raises:
            ReleaseError: it can't be read.

        """
        names = [name for name in self.document.sbom if name.endswith(_BILL)]
        return self.reader.read(names[0]) if names else None


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A published channel.

    Attributes:
        name: its own, such as `kubernetes-v1.32`.
        url: its address.
        reader: reads its files; None where it can't be believed.
        newest: the version that it offers; empty where it can't be believed.
        day: when its list was made; None if nobody says.
        until: the first day on which its list is out of date; None if it names none.
        problem: why it can't be believed; empty if it can.

    """

    name: str
    url: str
    reader: ReleaseReader | None
    newest: str = ""
    day: date | None = None
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
    if not found:
        raise SiteError(
            "nothing is published here yet",
            where=" ".join(place.base for place in places),
            why=f"{INDEX}.json lists no release",
            fix="publish first: doit publish channel",
        )
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
    releases = identity.everything(listed)
    with Workers(_READERS) as workers:  # which ask, and decode nothing
        read = workers.map(lambda each: _asked(f"{place.base}/{each.tag}", keyring), releases)
        of = _grouped(_edition(place, *pair) for pair in zip(releases, read, strict=True))
        stems = {name: _channels_of(editions) for name, editions in of.items()}
        names = [each for own in stems.values() for each in own]
        followed = workers.map(lambda each: _asked(f"{place.channels[0]}/{each}", keyring), names)
        channels = dict(zip(names, followed, strict=True))
    for name, editions in of.items():
        of_it = (_channel(n, f"{place.channels[1]}/{n}", channels[n]) for n in stems[name])
        found = tuple(each for each in of_it if each is not None)
        yield Publication(name=name, url=place.url, editions=editions, channels=found)


def _grouped(editions: Iterable[Edition]) -> Mapping[str, tuple[Edition, ...]]:
    """Return the releases of each extension, the newest first."""
    found: dict[str, list[Edition]] = {}
    for each in editions:
        found.setdefault(each.document.name, []).append(each)
    for own in found.values():
        own.sort(key=lambda each: Version.parse(each.version), reverse=True)
    return {name: tuple(own) for name, own in found.items()}


def _edition(place: Place, listed: IndexedRelease, reader: _Answer) -> Edition:
    tag = listed.tag
    if isinstance(reader, ReleaseError):
        raise reader
    if reader is None:
        raise SiteError(
            "a release is listed, and not there",
            where=f"{place.base}/{tag}",
            fix="run `doit channel:index` anew",
        )
    url = f"{place.url}/{quote(tag)}"
    return Edition(document=identity.release(reader), reader=reader, url=url, day=_day(reader))


def _channels_of(editions: Sequence[Edition]) -> list[str]:
    files = (name for each in editions for name in each.document.transfers)
    names = (file.removesuffix(_FOLLOWED) for file in files if file.endswith(_FOLLOWED))
    return [name for name in dict.fromkeys(names) if not name.endswith(sysupdate.VERITY)]


def _channel(name: str, url: str, reader: _Answer) -> Channel | None:
    try:
        if isinstance(reader, ReleaseError):
            raise reader
        if reader is None or identity.is_release(reader):
            return None
        versions = [each.version for each in identity.channel(reader)]
        until = sums.best_before(reader.index)
    except ReleaseError as error:
        return Channel(name=name, url=url, reader=None, problem=error.what)
    newest = max(versions, key=Version.parse, default="")
    return Channel(name=name, url=url, reader=reader, newest=newest, day=_day(reader), until=until)


def _asked(base: str, keyring: Path | None) -> _Answer:
    """Return the reader of a release or channel, which has read what is told of it; or why not.

    Nothing is decoded here: msgspec crashes where threads decode the first value of a type.
    """
    try:
        reader = _opened(base, keyring)
        if reader is not None:
            _read_ahead(reader)
    except ReleaseError as error:
        return error
    return reader


def _read_ahead(reader: ReleaseReader) -> None:
    for name in reader.digests:
        if name in _TELLING or (name.endswith(_BILL) and not reader.base.startswith("file:")):
            reader.read(name)
    if indexes.CHANNEL in reader.digests and signing.KEYRING in reader.digests:
        reader.signed_by(reader.read(signing.KEYRING))  # as hosts will


def _opened(base: str, keyring: Path | None) -> ReleaseReader | None:
    reader = ReleaseReader.find(base)
    if reader is not None and keyring is not None:
        reader.check_signature(keyring)
    return reader


def _day(reader: ReleaseReader) -> date | None:
    """Return when a list was published, as its server, or the folder's file system, says."""
    return reader.modified.date() if reader.modified else None


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
