"""The assets that a recipe asks for, before the lock says which bytes they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from bakery.arch import ARCHITECTURES
from bakery.recipe import debian
from bakery.recipe.assets import (
    AssetFile,
    CosignSignature,
    DebianAsset,
    GpgSignature,
    MinisignSignature,
    NpmAsset,
    PypiAsset,
    SigstoreSignature,
)
from bakery.recipe.npm import NpmVersion
from bakery.recipe.signer import Signer
from bakery.recipe.template import Template
from bakery.recipe.wheel import WheelName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.arch import Arch
    from bakery.recipe.assets import Signature, UrlAsset
    from bakery.recipe.load import Source
    from bakery.recipe.lock import LockedAsset, LockedVersion
    from bakery.recipe.types import Archive
    from bakery.recipe.version import Version


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """A signature that a recipe asks for.

    Attributes:
        kind: what made it.
        url: its address.
        key: but for sigstore, the recipe's word for the key: `./FILE` or the key itself.
        signer: for sigstore, who must have signed.
        certificate: for sigstore, the address of the certificate, if it has one of its own.

    """

    kind: Literal["gpg", "minisign", "cosign", "sigstore"]
    url: str
    key: str = ""
    signer: Signer | None = None
    certificate: str | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An asset that a recipe asks for, or Debian packages that come together.

    Attributes:
        url: its address, or an npm package's in locks; None for a wheel, whose address the index
            knows, and for packages.
        project: the wheel's project.
        version: the wheel's version, or that of the first package; `latest` for what there is.
        platform: the wheel's platform tag.
        packages: the packages.
        checksum: the address of upstream's checksum file.
        checksum_proof: the signature of that file.
        proof: the signature of the asset itself.
        archive: what kind of file it is; None when its name tells.
        install: pairs of a glob of members and the path for what it matches.
        index: which of the recipe's assets asks for it.

    """

    url: str | None = None
    project: str | None = None
    version: str | None = None
    platform: str | None = None
    packages: debian.Packages | None = None
    checksum: str | None = None
    checksum_proof: Proof | None = None
    proof: Proof | None = None
    archive: Archive | None = None
    install: tuple[tuple[str, str], ...] = ()
    index: int

    @property
    def label(self) -> str:
        """How messages call it."""
        if self.packages is not None:
            return self.packages.label
        return self.url or f"pypi:{self.project}/{self.version} for {self.platform}"

    def finds(self, locked: LockedVersion) -> tuple[LockedAsset, ...]:
        """Return the locked assets that this is: one, many for packages, none where it lacks."""
        if self.packages is not None:
            return self.packages.find(locked)
        if self.url is not None:
            pin = locked.by_url.get(self.url)
            return (pin,) if pin else ()
        prefix = f"pypi:{self.project}/"
        return tuple([a for a in locked.assets if a.url.startswith(prefix) and self._is(a.url)][:1])

    def _is(self, url: str) -> bool:
        wheel = WheelName.parse(url.rpartition("/")[2])
        return (
            wheel is not None
            and wheel.is_version(self.version or "")
            and self.platform in wheel.platforms
        )


def values(source: Source, version: Version, parts: Mapping[str, str]) -> dict[str, str]:
    """Return what the placeholders stand for that do not depend on an asset.

    Args:
        source: the recipe.
        version: upstream's version.
        parts: the versions of its parts.

    """
    words = {
        "name": source.name,
        "version": version.tag,
        "bare": version.bare,
        "version.bare": version.bare,
        "major": version.major,
        "minor": version.minor,
    }
    for part, chosen in parts.items():
        words[part] = chosen
        words[f"{part}.bare"] = chosen.removeprefix("v")
    return words


def requests(
    source: Source, version: Version, arch: Arch, parts: Mapping[str, str]
) -> Iterator[Request]:
    """Yield the assets that a recipe asks for at one version for one architecture.

    Raises:
        UnknownPlaceholderError: a part's version is not in `parts`.
        GrammarError: a value makes a path that leads out of the image.

    """
    recipe = source.recipe
    common = values(source, version, parts)
    for index, asset in enumerate(recipe.assets):
        if not applies(asset, version):
            continue
        if isinstance(asset, DebianAsset):
            words = {**common, "arch": recipe.arch[arch]}
            yield Request(
                packages=_packages(asset, arch),
                version=asset.version.expand(words),
                install=_install(asset, words),
                index=index,
            )
            continue
        words = {**common, "arch": (asset.arch or recipe.arch)[arch]}
        if isinstance(asset, PypiAsset):
            yield Request(
                project=asset.pypi,
                version=asset.version.expand(words),
                platform=asset.platform.expand(words),
                install=_install(asset, words),
                index=index,
            )
        elif isinstance(asset, NpmAsset):
            package = NpmVersion(asset.npm.expand(words), asset.version.expand(words))
            yield Request(url=package.address, install=_install(asset, words), index=index)
        else:
            yield from _file_requests(asset, index, arch, version, words)


def _packages(asset: DebianAsset, arch: Arch) -> debian.Packages:
    return debian.Packages(
        suite=asset.debian.suite,
        names=asset.debian.packages,
        exclude=asset.exclude,
        arch=ARCHITECTURES[arch].debian,
    )


def _file_requests(
    asset: UrlAsset, index: int, arch: Arch, version: Version, words: Mapping[str, str]
) -> Iterator[Request]:
    for file in asset.files or ("",):
        if not applies(file, version):
            continue
        here = {**words, "file": file.name if isinstance(file, AssetFile) else file}
        url = asset.url.expand(here)
        sums = asset.checksum
        there = {**here, "arch": sums.arch[arch]} if sums and sums.arch else here
        checksum = sums.url.expand({**there, "url": url}) if sums else None
        yield Request(
            url=url,
            checksum=checksum,
            checksum_proof=_proof(sums.signature, checksum or "", there) if sums else None,
            proof=_proof(asset.signature, url, here),
            archive=asset.archive,
            install=_install(asset, here),
            index=index,
        )


def _proof(signature: Signature | None, signed: str, words: Mapping[str, str]) -> Proof | None:
    words = {**words, "url": signed}
    match signature:
        case GpgSignature():
            return Proof(kind="gpg", url=signature.gpg.expand(words), key=signature.key)
        case MinisignSignature():
            return Proof(kind="minisign", url=signature.minisign.expand(words), key=signature.key)
        case CosignSignature():
            return Proof(kind="cosign", url=signature.cosign.expand(words), key=signature.key)
        case SigstoreSignature():
            certificate = signature.certificate
            return Proof(
                kind="sigstore",
                url=signature.sigstore.expand(words),
                signer=_signer(signature, words),
                certificate=certificate.expand(words) if certificate else None,
            )
    return None


def _signer(signature: SigstoreSignature, words: Mapping[str, str]) -> Signer:
    named = signature.identity
    return Signer(
        identities=tuple(
            each.expand(words) for each in (named if isinstance(named, tuple) else (named,))
        ),
        issuer=signature.issuer,
        repository=signature.repository or "",
        ref=signature.ref.expand(words) if signature.ref else "",
    )


def _install(
    asset: UrlAsset | PypiAsset | NpmAsset | DebianAsset, words: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    if isinstance(asset.install, Template):
        return (("*", asset.install.expand(words)),)
    members = asset.install or {}
    return tuple([(key.expand(words), to.expand(words)) for key, to in members.items()])


def applies(item: object, version: Version) -> bool:
    """Return whether a part of a recipe counts for a version: its `when` holds, if it has one."""
    when = getattr(item, "when", None)
    return when is None or bool(when.holds(version))
