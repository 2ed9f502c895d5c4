"""Releases as the publisher has them, of images that tests make."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Any

from msgspec import structs

from bakery.image.verity.image import make
from bakery.recipe.names import ImageName, release_name
from bakery.release import document, signing, sums, sysupdate
from bakery.release import index as indexes
from bakery.release.document import ReleasedImage, ReleaseDocument, ReleasedVerity
from bakery.release.index import IndexedFile, IndexedImage, IndexedRelease
from bakery.settings import CERTIFICATE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.release.verity import VeritySigning
    from harness.openpgp import Person


def described(name: str, version: str, images: Mapping[Arch, bytes], **fields: Any) -> bytes:
    """Return the release.json of a release of some images."""
    released = [
        ReleasedImage(
            file=ImageName(name, version, arch).file,
            arch=arch,
            format="squashfs",
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            key="0",
            contents=0,
            tools="none",
            boots=(),
        )
        for arch, data in images.items()
    ]
    given: dict[str, Any] = {
        "os": "any",
        "requires": (),
        "conflicts": (),
        "replaces": (),
        "transfers": (),
        "assets": (),
        **fields,
    }
    return document.encode(
        ReleaseDocument(
            name=name,
            version=version,
            summary="Something",
            homepage="https://example.com/",
            tier="community",
            license="MIT",
            parts={},
            images=tuple(released),
            waived_boots=(),
            sbom=(),
            signed_by=None,
            **given,
        )
    )


def listed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of a release with a list of their digests behind them."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return {**files, sums.FILE: sums.encode(digests)}


def release(
    root: Path,
    name: str,
    version: str,
    images: Mapping[Arch, bytes],
    *,
    signing: VeritySigning | None = None,
    **fields: Any,
) -> Path:
    """Write a release of some images below a publisher's folder; return its own.

    With `signing`, an image for dm-verity beside each.
    """
    folder = root / release_name(name, version)
    folder.mkdir(parents=True)
    for arch, data in images.items():
        (folder / ImageName(name, version, arch).file).write_bytes(data)
    text = described(name, version, images, **fields)
    if signing:
        decoded = document.decode(text)
        beside = [_with_verity(folder, each, signing) for each in decoded.images]
        text = document.encode(structs.replace(decoded, images=tuple(beside)))
        if signing.certificates:
            (folder / CERTIFICATE).write_bytes(signing.certificates.pem)
    (folder / document.FILE).write_bytes(text)
    return index(folder)


def _with_verity(folder: Path, image: ReleasedImage, signing: VeritySigning) -> ReleasedImage:
    plain = folder / image.file
    output = plain.with_suffix(".verity.raw")
    sign = signing.signer.sign if signing.signer else None
    root = make(plain, output, arch=image.arch, sha256=image.sha256, sign=sign)
    made = ReleasedVerity(
        file=output.name,
        size=output.stat().st_size,
        sha256=hashlib.sha256(output.read_bytes()).hexdigest(),
        root_hash=root,
        signed_by=signing.signer.fingerprint if signing.signer else None,
    )
    return structs.replace(image, verity=made)


def index(folder: Path, signer: Person | None = None) -> Path:
    """Write SHA256SUMS anew for what is in a folder, and its signature; return the folder."""
    if signer is not None:
        signer.export(folder / signing.KEYRING, armour=False)
    beside = (sums.FILE, sums.SIGNATURE, sums.ARMORED)
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name not in beside
    }
    path = folder / sums.FILE
    path.write_bytes(sums.encode(digests))
    if signer is not None:
        signer.sign(path, armour=False).rename(folder / sums.SIGNATURE)
    return folder


def channel(root: Path, name: str, url: str, *versions: str, signer: Person | None = None) -> Path:
    """Write the channel of a recipe beside its releases; return its folder."""
    folder = root / name
    folder.mkdir(exist_ok=True)
    for version in versions:
        for pattern in ("*.raw", CERTIFICATE):
            for file in (root / f"{name}-{version}").glob(pattern):
                shutil.copy(file, folder)
    releases = [_indexed(root, name, version) for version in reversed(versions)]
    (folder / indexes.CHANNEL).write_bytes(indexes.encode(releases))
    for kind in ("", ".verity") if any(folder.glob("*.verity.raw")) else ("",):
        text = sysupdate.transfer(name, name, f"{name}-", url, verity=bool(kind))
        for suffix in (".conf", ".transfer"):
            (folder / f"{name}{kind}{suffix}").write_bytes(text)
    about = sysupdate._COMPONENT.format(
        name=name, channel=name, summary=f"{name}, for a test", homepage="https://example.com/"
    )
    (folder / f"{name}{sysupdate.COMPONENT}").write_text(about)
    return index(folder, signer)


def _file(made: ReleasedImage | ReleasedVerity) -> dict[str, Any]:
    return {"file": made.file, "size": made.size, "sha256": made.sha256}


def _indexed(root: Path, name: str, version: str) -> IndexedRelease:
    tag = release_name(name, version)
    described = document.decode((root / tag / document.FILE).read_bytes())
    images = tuple(
        IndexedImage(
            arch=each.arch,
            verity=IndexedFile(**_file(each.verity)) if each.verity else None,
            **_file(each),
        )
        for each in described.images
    )
    return IndexedRelease(name=name, version=version, tag=tag, images=images)
