"""How a digest is known: everything upstream publishes about an asset, which must agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import msgspec

from bakery.errors import BakeryError
from bakery.http.address import file_name
from bakery.recipe.lock import LockedAsset, TrustKind
from bakery.store.download import download_unpinned
from bakery.store.folder import Store
from bakery.upstream import checksums, github, pypi
from bakery.upstream.signature import gpg, minisign, sigstore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bakery.recipe.load import Source
    from bakery.recipe.requests import Proof, Wanted
    from bakery.settings import Settings
    from bakery.store.download import Blob
    from bakery.upstream.api import Api


class ContradictionError(BakeryError):
    """What is published about an asset does not agree."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One way to know an asset's digest.

    Attributes:
        sha256: the digest.
        trust: what kind of knowledge it is.
        source: who says so, mostly an address.

    """

    sha256: str
    trust: TrustKind
    source: str


class Evidence:
    """What can be known about the assets of a recipe. Safe for several threads.

    What `had` holds, by address, has just been downloaded, and is not downloaded again.
    """

    def __init__(
        self, source: Source, settings: Settings, api: Api, had: Mapping[str, Blob] | None = None
    ) -> None:
        self._had = had or {}
        self._source = source
        self._api = api
        self._settings = settings
        self._store = Store(settings.store)

    def establish(self, want: Wanted) -> LockedAsset:
        """Download an asset and return it with the strongest trust there is.

        Raises:
            ContradictionError: its digest, checksum file, signature or index do not agree.
            SignatureError: a signature does not hold.
            BakeryError: something can't be had.

        """
        wheel = self._wheel(want)
        address, url = (wheel.address, wheel.url) if wheel else (want.url or "", want.url or "")
        facts = list(self._published(want, wheel))
        blob = self._download(address, url)
        facts.append(Fact(sha256=blob.sha256, trust="first-use", source="the file itself"))
        if want.proof:
            self._check(want.proof, blob)
            facts.append(Fact(sha256=blob.sha256, trust=want.proof.kind, source="the file, signed"))
        return _agreed(address, facts, blob.size)

    def look_up(self, want: Wanted) -> LockedAsset | None:
        """Return what is published about an asset, without downloading it; None for nothing.

        Raises:
            ContradictionError: it does not agree.
            SignatureError: the signature of a checksum file does not hold.
            BakeryError: something can't be had.

        """
        wheel = self._wheel(want)
        facts = list(self._published(want, wheel))
        return _agreed(wheel.address if wheel else want.url or "", facts, None) if facts else None

    def text(self, url: str) -> str:
        """Return a text that upstream publishes."""
        return self._download(url, url).path.read_text("utf-8", errors="replace")

    def _wheel(self, want: Wanted) -> pypi.Wheel | None:
        if want.url is not None:
            return None
        return pypi.wheel(want.project or "", want.version or "", [want.platform or ""])

    def _published(self, want: Wanted, wheel: pypi.Wheel | None) -> Iterator[Fact]:
        if wheel:
            yield Fact(sha256=wheel.sha256, trust="registry", source="the package index")
        elif want.checksum:
            yield self._listed(want, want.checksum)
        elif want.proof is None:
            sha256 = github.digest_of(want.url or "", self._api)
            if sha256:
                yield Fact(sha256=sha256, trust="github-digest", source="GitHub's API")

    def _listed(self, want: Wanted, checksum: str) -> Fact:
        blob = self._download(checksum, checksum)
        if want.checksum_proof:
            self._check(want.checksum_proof, blob)
        filename = file_name(want.url or "")
        text = blob.path.read_text("utf-8", errors="replace")
        return Fact(
            sha256=checksums.digest_of(filename, text, checksum),
            trust=want.checksum_proof.kind if want.checksum_proof else "checksum-file",
            source=checksum,
        )

    def _check(self, proof: Proof, signed: Blob) -> None:
        signature = self._download(proof.url, proof.url).path
        key = self._source.keys.get(proof.key)
        if proof.kind == "sigstore":
            sigstore.verify(
                signed.sha256,
                signature,
                identity=proof.identity,
                issuer=proof.issuer,
                where=proof.url,
                offline=self._settings.mirror is not None,
            )
        elif proof.kind == "minisign":
            text = key.read_text("utf-8", errors="replace") if key else proof.key
            minisign.verify(signed.path, signature, text, where=proof.url)
        else:
            gpg.verify(signed.path, signature, self._source.keys[proof.key], where=proof.url)

    def _download(self, address: str, url: str) -> Blob:
        return self._had.get(url) or download_unpinned(
            self._store, address, settings=self._settings, resolve=lambda _: url
        )


def _agreed(address: str, facts: Iterable[Fact], size: int | None) -> LockedAsset:
    """Return an asset with the strongest of several facts.

    Raises:
        ContradictionError: they name several digests.

    """
    ranked = sorted(facts, key=lambda fact: get_args(TrustKind).index(fact.trust))
    if len({fact.sha256 for fact in ranked}) > 1:
        raise ContradictionError(
            f"what is published about {file_name(address)} does not agree",
            where=address,
            why="\n".join(f"sha256 {fact.sha256}: {fact.source}" for fact in ranked),
            fix="try again later; if it stays, tell upstream",
        )
    best = ranked[-1]
    return LockedAsset(url=address, sha256=best.sha256, size=size, trust=best.trust)
