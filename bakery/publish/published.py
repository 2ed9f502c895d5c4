"""What is published, as every public release's own signed list and release.json say.

A tag is only an address: which recipe and version a release is of, and which of its files are
images, is said by its release.json. That holds if SHA256SUMS, signed by one of our own keys, names
it and every other file, and the files are there as it names them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from bakery.arch import Arch  # noqa: TC001  msgspec reads the annotations
from bakery.http import limits
from bakery.recipe.names import INDEX
from bakery.recipe.version import Version
from bakery.release import document, sums, sysupdate
from bakery.release.index import CHANNEL, IndexedFile, IndexedImage, IndexedRelease
from bakery.settings import CERTIFICATE
from bakery.text import format_size
from bakery.upstream.signature.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bakery.publish.model import Publisher, RemoteAsset, RemoteRelease
    from bakery.release.document import ReleaseDocument
    from bakery.release.keyring import Keyring
    from bakery.store.folder import Store


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """A public release of a recipe at one version.

    Attributes:
        name: the recipe's.
        version: upstream's version.
        posted: what the publisher has.
        images: its images by architecture.
        verity: those for dm-verity beside them, by architecture.
        certificates: what hosts verify these with; None where it has none.
        transfers: its transfer definitions by name.

    """

    name: str
    version: Version
    posted: RemoteRelease
    images: dict[Arch, RemoteAsset]
    transfers: dict[str, RemoteAsset]
    verity: dict[Arch, RemoteAsset] = {}
    certificates: RemoteAsset | None = None

    @property
    def files(self) -> list[RemoteAsset]:
        """The images of both kinds."""
        return [*self.images.values(), *self.verity.values()]


class Catalogue:
    """Reads what public releases say of themselves, each once.

    Args:
        publisher: where releases are.
        store: keeps each small file by its digest.
        keyring: our own keys, one of which must have signed; None where nothing is signed.

    """

    def __init__(self, publisher: Publisher, store: Store, keyring: Keyring | None) -> None:
        self._publisher = publisher
        self._store = store
        self._keyring = keyring
        self._judged: dict[RemoteRelease, Edition | str] = {}

    def editions(self, found: Iterable[RemoteRelease], name: str | None = None) -> list[Edition]:
        """Return what is public and holds, newest first within each recipe; no channels.

        Args:
            found: what is at the publisher.
            name: the recipe whose releases are asked for; None for all.

        Raises:
            UnsettledError: a small file can't be downloaded now.

        """
        judged = (self._judge(posted) for posted in _releases(found, name))
        editions = [each for each in judged if isinstance(each, Edition)]
        editions.sort(key=lambda edition: (edition.version, edition.posted.tag), reverse=True)
        editions.sort(key=lambda edition: edition.name)
        return [edition for edition in editions if name in (None, edition.name)]

    def refused(self, found: Iterable[RemoteRelease], name: str | None = None) -> dict[str, str]:
        """Return why public releases are left out by `editions`, by tag."""
        judged = {posted.tag: self._judge(posted) for posted in _releases(found, name)}
        return {tag: why for tag, why in judged.items() if isinstance(why, str)}

    def _judge(self, posted: RemoteRelease) -> Edition | str:
        if posted not in self._judged:
            try:
                self._judged[posted] = self._edition(posted)
            except ValueError as error:
                self._judged[posted] = str(error)
            except SignatureError as error:
                self._judged[posted] = ": ".join(filter(None, (error.what, error.why)))
        return self._judged[posted]

    def _edition(self, posted: RemoteRelease) -> Edition:
        assets = self._listed(posted)
        described = document.decode(self._read(posted, document.FILE))
        if described.tag != posted.tag:
            raise ValueError(f"its {document.FILE} is of {described.tag}")
        images = [image for image in described.images if image.format != "folder"]
        if not images:
            raise ValueError(f"its {document.FILE} names no image file")
        _refuse_contradictions(described, posted, assets)
        return Edition(
            name=described.name,
            version=Version.parse(described.version),
            posted=posted,
            images={image.arch: assets[image.file] for image in images},
            verity={image.arch: assets[image.verity.file] for image in images if image.verity},
            certificates=assets.get(CERTIFICATE),
            transfers={
                name: assets[name]
                for name in described.transfers
                if name.endswith(sysupdate.SUFFIXES)
            },
        )

    def _listed(self, posted: RemoteRelease) -> dict[str, RemoteAsset]:
        """Return the files that a release's list names, if it is signed and they are there."""
        index = self._read(posted, sums.FILE)
        if self._keyring is not None:
            if posted.asset(sums.SIGNATURE) is None:
                raise ValueError("it is not signed: publish it again to add a signature")
            signature = self._read(posted, sums.SIGNATURE)
            self._keyring.check(index, signature, f"{posted.tag}/{sums.SIGNATURE}")
        assets = {}
        for name, sha256 in sums.decode(index).items():
            stored = posted.asset(name)
            if stored is None or not stored.whole or stored.sha256 != sha256:
                raise ValueError(f"{name} is not the file that its {sums.FILE} names")
            assets[name] = stored
        if document.FILE not in assets:
            raise ValueError(f"its {sums.FILE} does not name {document.FILE}")
        return assets

    def _read(self, posted: RemoteRelease, name: str) -> bytes:
        stored = posted.asset(name)
        if stored is None or not stored.whole or stored.sha256 is None:
            raise ValueError(f"its {name} is not there, not whole, or of unknown digest")
        if stored.size > limits.DOCUMENT:
            raise ValueError(f"its {name} has {format_size(stored.size)}, too much to be true")
        path = self._store.find(stored.sha256)
        if path is None:
            self._store.partials.mkdir(parents=True, exist_ok=True)
            partial = self._store.partials / f"{stored.sha256}.{name}"
            self._publisher.fetch(posted, stored, partial)
            path = self._store.adopt(partial, stored.sha256)
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != stored.sha256:
            self._store.discard(stored.sha256)
            raise ValueError(f"its {document.FILE} has changed in the store; run again")
        return data


def _releases(found: Iterable[RemoteRelease], name: str | None) -> Iterator[RemoteRelease]:
    """Yield what looks like a public release of a recipe's, or of any."""
    for posted in found:
        if not posted.is_public or posted.tag == INDEX or posted.asset(CHANNEL):
            continue
        if name is not None and not posted.tag.startswith(f"{name}-"):
            continue
        if any(asset.name.endswith((".raw", document.FILE)) for asset in posted.assets):
            yield posted


def _refuse_contradictions(
    described: ReleaseDocument, posted: RemoteRelease, assets: Mapping[str, RemoteAsset]
) -> None:
    unlisted = {asset.name: asset for asset in posted.assets if asset.name.endswith(".raw")}
    files = {
        name: (asset.size, asset.sha256 or "") for name, asset in {**unlisted, **assets}.items()
    }
    for problem in document.contradictions(described, files):
        raise ValueError(problem)


def indexed(edition: Edition) -> IndexedRelease:
    """Return a release as an index lists it."""
    return IndexedRelease(
        name=edition.name,
        version=edition.version.tag,
        tag=edition.posted.tag,
        images=tuple(
            IndexedImage(arch=arch, verity=_verity(edition, arch), **_file(image))
            for arch, image in edition.images.items()
        ),
    )


def _verity(edition: Edition, arch: Arch) -> IndexedFile | None:
    return IndexedFile(**_file(edition.verity[arch])) if arch in edition.verity else None


def _file(asset: RemoteAsset) -> dict[str, Any]:
    return {"file": asset.name, "size": asset.size, "sha256": asset.sha256 or ""}
