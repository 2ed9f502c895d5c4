"""What is published, as every public release's own signed list and release.json say.

A tag is only an address: which recipe and version a release is of, and which of its files are
images, is said by its release.json. That holds if SHA256SUMS, signed by one of our own keys, names
it and every other file, and the files are there as it names them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bakery.http import limits
from bakery.recipe.names import INDEX
from bakery.recipe.version import Version
from bakery.release import document, sums
from bakery.release.index import CHANNEL, IndexedFile, IndexedImage, IndexedRelease
from bakery.text import format_size
from bakery.upstream.signature.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bakery.publish.model import Publisher, RemoteAsset, RemoteRelease
    from bakery.release.document import ReleasedImage, ReleaseDocument, ReleasedVerity
    from bakery.release.keyring import Keyring
    from bakery.store.folder import Store


@dataclass(frozen=True, kw_only=True)
class Edition:
    """A public release of a recipe at one version.

    Attributes:
        document: what its release.json says, which its files bear out.
        posted: what the publisher has.
        assets: the files that its list names, by name.

    """

    document: ReleaseDocument
    posted: RemoteRelease
    assets: Mapping[str, RemoteAsset]

    @cached_property
    def version(self) -> Version:
        """Upstream's version."""
        return Version.parse(self.document.version)

    @property
    def files(self) -> list[RemoteAsset]:
        """The images, and those for dm-verity beside them."""
        return [self.assets[each.file] for image in self.document.images for each in image.files]


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
        editions.sort(key=lambda edition: edition.document.name)
        return [edition for edition in editions if name in (None, edition.document.name)]

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
        if not any(image.files for image in described.images):
            raise ValueError(f"its {document.FILE} names no image file")
        _refuse_contradictions(described, posted, assets)
        return Edition(document=described, posted=posted, assets=assets)

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
            raise ValueError(f"its {name} has changed in the store; run again")
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
    document = edition.document
    return IndexedRelease(
        name=document.name,
        version=document.version,
        tag=edition.posted.tag,
        images=tuple(
            IndexedImage(
                arch=image.arch,
                verity=IndexedFile(**_file(image.verity)) if image.verity else None,
                **_file(image),
            )
            for image in document.images
            if image.files
        ),
    )


def _file(released: ReleasedImage | ReleasedVerity) -> dict[str, Any]:
    return {"file": released.file, "size": released.size, "sha256": released.sha256}
