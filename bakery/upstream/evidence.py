"""How a digest is known: everything upstream publishes about an asset, which must agree."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, get_args

import msgspec

from bakery.errors import BakeryError
from bakery.http.address import file_name
from bakery.recipe.lock import LockedAsset, TrustKind
from bakery.recipe.npm import SCHEME as NPM
from bakery.recipe.wheel import WheelName
from bakery.store import users
from bakery.store.download import download_unpinned
from bakery.store.folder import Store
from bakery.text import decoded
from bakery.upstream import checksums, digests, github, npm, pypi, simple_index
from bakery.upstream.signature import cosign, gpg, minisign, sigstore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from bakery.recipe.load import Source
    from bakery.recipe.requests import Proof, Request
    from bakery.settings import Settings
    from bakery.store.download import Blob
    from bakery.upstream.api import Api
    from bakery.upstream.offer import Offer


class ContradictionError(BakeryError):
    """What is published about an asset does not agree."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One way to know an asset's digest.

    Attributes:
        digests: of which one must be the asset's, as `ALGORITHM:HEX`.
        trust: what kind of knowledge it is.
        source: who says so, mostly an address.

    """

    digests: frozenset[str]
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
        users.register(self._store, settings.recipes)

    def establish(self, request: Request) -> LockedAsset:
        """Download an asset and return it with the strongest trust there is.

        Raises:
            ContradictionError: its digest, checksum file, signature or index do not agree.
            SignatureError: a signature does not hold.
            BakeryError: something can't be had.

        """
        offer = self._offer(request)
        address, url = (
            (offer.address, offer.url) if offer else (request.url or "", request.url or "")
        )
        facts = list(self._published(request, offer))
        blob = self._download(address, url)
        own = _sha256(blob.sha256)
        facts.append(Fact(digests=own, trust="first-use", source="the file itself"))
        if request.proof:
            self._check(request.proof, blob, file_name(address))
            facts.append(Fact(digests=own, trust=request.proof.kind, source="the file, signed"))
        others = [fact.digests for fact in facts if not fact.digests & own]
        known = set(own)
        if others:
            asked = digests.algorithms_of(digest for each in others for digest in each)
            known = digests.of_file(blob.path, {"sha256", *asked})
        return _agreed(address, facts, known, blob.size)

    def look_up(self, request: Request, pin: LockedAsset | None = None) -> LockedAsset | None:
        """Return what is published about an asset, without downloading it; None for nothing.

        Args:
            request: the asset.
            pin: what is locked; it tells by which digests upstream's are to be compared.

        Raises:
            ContradictionError: it does not agree.
            SignatureError: the signature of a checksum file does not hold.
            BakeryError: something can't be had.

        """
        offer = self._offer(request)
        facts = list(self._published(request, offer))
        told = {digest for fact in facts if len(fact.digests) == 1 for digest in fact.digests}
        locked = {f"sha256:{pin.sha256}", *filter(None, [pin.vouched])} if pin else set()
        algorithms = digests.algorithms_of(told)
        known = told | {each for each in locked if each.partition(":")[0] not in algorithms}
        algorithms |= digests.algorithms_of(known)
        facts = [fact for fact in facts if digests.algorithms_of(fact.digests) & algorithms]
        if not facts or "sha256" not in algorithms:
            return None
        return _agreed(offer.address if offer else request.url or "", facts, known, None)

    def text(self, url: str) -> str:
        """Return a text that upstream publishes."""
        return decoded(self._download(url, url).path.read_bytes())

    def _offer(self, request: Request) -> Offer | None:
        """Return what an index has of an asset; None for one that has an address of its own."""
        if request.url is None:
            return self._wheel(request)
        return npm.offer(request.url) if request.url.startswith(NPM) else None

    def _wheel(self, request: Request) -> Offer:
        project, version = request.project or "", request.version or ""
        try:
            return pypi.wheel(project, version, [request.platform or ""])
        except pypi.NoWheelError as error:
            raise self._other_platforms(project, version, error) from None

    def _other_platforms(self, project: str, version: str, error: BakeryError) -> BakeryError:
        """Return the error with the platforms for which the index has wheels."""
        with suppress(BakeryError):
            names = map(WheelName.parse, simple_index.wheels(project, version, self._api))
            found = {platform for name in names if name for platform in name.platforms}
            if found:
                error.fix = f"its platforms: {', '.join(sorted(found))}\ncorrect platform: or arch:"
        return error

    def _published(self, request: Request, offer: Offer | None) -> Iterator[Fact]:
        if offer:
            if offer.digests:
                yield Fact(digests=offer.digests, trust="registry", source="the package index")
        elif request.checksum:
            yield from self._listed(request, request.checksum)
        else:
            sha256 = github.digest_of(request.url or "", self._api)
            if sha256:
                yield Fact(digests=_sha256(sha256), trust="github-digest", source="GitHub's API")

    def _listed(self, request: Request, checksum: str) -> Iterator[Fact]:
        blob = self._download(checksum, checksum)
        if request.checksum_proof:
            self._check(request.checksum_proof, blob, file_name(checksum))
        trust = request.checksum_proof.kind if request.checksum_proof else "checksum-file"
        text = decoded(blob.path.read_bytes())
        for claim in checksums.claims_of(file_name(request.url or ""), text, checksum):
            yield Fact(digests=claim, trust=trust, source=checksum)

    def _check(self, proof: Proof, signed: Blob, name: str) -> None:
        signature = self._download(proof.url, proof.url).path
        key = self._source.keys.get(proof.key)
        if proof.signer:
            of = proof.certificate
            sigstore.verify(
                signed,
                signature,
                proof.signer,
                name=name,
                where=proof.url,
                ask=lambda url, question: self._api.post(url, question).content,
                certificate=self._download(of, of).path if of else None,
                offline=self._settings.mirror_of_addresses is not None,
            )
        elif proof.kind == "cosign":
            key = self._source.keys[proof.key]
            cosign.verify(signed, signature, key, name=name, where=proof.url)
        elif proof.kind == "minisign":
            text = decoded(key.read_bytes()) if key else proof.key
            minisign.verify(signed.path, signature, text, where=proof.url)
        else:
            gpg.verify(signed.path, signature, self._source.keys[proof.key], where=proof.url)

    def _download(self, address: str, url: str) -> Blob:
        return self._had.get(url) or download_unpinned(
            self._store, address, settings=self._settings, resolve=lambda _: url
        )


def _sha256(digest: str) -> frozenset[str]:
    return frozenset([f"sha256:{digest}"])


def _agreed(
    address: str, facts: Iterable[Fact], known: Collection[str], size: int | None
) -> LockedAsset:
    """Return an asset, whose digests are known, with the strongest of several facts.

    Of equally strong ones, that about the SHA-256.

    Raises:
        ContradictionError: one of them is about other bytes.

    """
    sha256 = next(digest for digest in known if digest.startswith("sha256:"))
    ranked = sorted(
        facts, key=lambda fact: (get_args(TrustKind).index(fact.trust), sha256 in fact.digests)
    )
    agree = len(digests.algorithms_of(known)) == len(known)
    if not agree or not all(fact.digests.intersection(known) for fact in ranked):
        raise ContradictionError(
            f"what is published about {file_name(address)} does not agree",
            where=address,
            why="\n".join(f"{_shown(fact.digests)}: {fact.source}" for fact in ranked),
            fix="try again later; if it stays, tell upstream",
        )
    best = ranked[-1]
    return LockedAsset(
        url=address,
        sha256=sha256.removeprefix("sha256:"),
        size=size,
        trust=best.trust,
        vouched=None if sha256 in best.digests else min(best.digests.intersection(known)),
    )


def _shown(alternatives: Collection[str]) -> str:
    return " or ".join(digest.replace(":", " ") for digest in sorted(alternatives))
