"""What a consumer can check of a published release or channel, without building anything."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from bakery.errors import BakeryError
from bakery.http.retry import Patience
from bakery.http.transport import SourceError, request
from bakery.release import document, notes, sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.release.document import ReleasedImage, ReleaseDocument


_SMALL = 16 << 20  # bytes of an index, a signature or release.json
_UNLISTED = {sums.FILE, sums.SIGNATURE, sums.ARMORED, notes.FILE}


class VerifyError(BakeryError):
    """What is published is not what it should be."""


@dataclass(frozen=True)
class Verified:
    """A file that is as it should be.

    Attributes:
        name: the file.
        size: its bytes.
        what: what was found good.

    """

    name: str
    size: int
    what: str


def verify(place: str, *, keyring: Path | None) -> Iterator[Verified]:
    """Check everything that is published in one place; yield what is good as it is found.

    Args:
        place: the address of a release or channel, without a file's name, or a folder.
        keyring: public keys, armored or not, one of which must have signed the checksums; None
            does without a signature.

    Raises:
        VerifyError: something is missing, altered, unsigned, or contradicts something else.
        MissingToolError: gpg is not installed.

    """
    folder = Path(place)
    base = place.rstrip("/") if "://" in place else folder.absolute().as_uri()
    index = _small(base, sums.FILE)
    if keyring is not None:
        yield check_signature(base, index, keyring)
    digests = _decoded(base, index)
    described = None
    sizes = {}
    for name, digest in digests.items():
        found, sizes[name], data = _hashed(base, name, keep=name == document.FILE)
        if found != digest:
            raise VerifyError(
                f"{name} is not the file that {sums.FILE} names",
                where=f"{base}/{name}",
                why=f"its SHA-256 is {found}\n{sums.FILE} has {digest}",
                fix="download it again; if that does not help, don't use it and tell who published",
            )
        yield Verified(name, sizes[name], f"SHA-256 {digest}")
        if name == document.FILE:
            described = _described(base, data)
    if described is not None:
        _compare(base, described, digests, sizes)
        what = f"describes {described.name} {described.version}, as its files are"
        yield Verified(document.FILE, sizes[document.FILE], what)
    if "://" not in place:
        _refuse_strangers(folder, digests)


def check_signature(base: str, index: bytes, keyring: Path) -> Verified:
    """Refuse checksums that none of some keys has signed.

    Args:
        base: the address of what is published, without a slash at its end.
        index: the bytes of its checksums.
        keyring: public keys, armored or not.

    Raises:
        VerifyError: there is no signature by one of them.
        MissingToolError: gpg is not installed.

    """
    from bakery.upstream.signature import gpg
    from bakery.upstream.signature.errors import SignatureError

    if not keyring.is_file():
        raise VerifyError(
            "there is no such keyring",
            where=str(keyring),
            fix="name one with --keyring FILE, or give --unsigned",
        )
    signature = _small(base, sums.SIGNATURE)
    with tempfile.TemporaryDirectory(prefix="bakery-verify-") as scratch:
        signed, detached = Path(scratch, sums.FILE), Path(scratch, sums.SIGNATURE)
        signed.write_bytes(index)
        detached.write_bytes(signature)
        try:
            gpg.verify(signed, detached, keyring, where=f"{base}/{sums.SIGNATURE}")
        except SignatureError as error:
            raise VerifyError(
                f"the signature of {sums.FILE} does not hold",
                where=error.where,
                why=error.why,
                fix="don't use it, and tell who published it",
            ) from None
    return Verified(sums.SIGNATURE, len(signature), f"signature by a key of {keyring}")


def _decoded(base: str, index: bytes) -> dict[str, str]:
    try:
        digests = sums.decode(index)
    except ValueError as error:
        raise VerifyError(
            f"{sums.FILE} can't be read",
            where=f"{base}/{sums.FILE}",
            why=str(error),
            fix="don't use it, and tell who published it",
        ) from None
    if not any(name.endswith(".raw") for name in digests):
        raise VerifyError(
            f"{sums.FILE} names no image",
            where=f"{base}/{sums.FILE}",
            fix="give the address or folder of a whole release or channel",
        )
    return digests


def _described(base: str, data: bytes) -> ReleaseDocument:
    try:
        return document.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise VerifyError(
            f"{document.FILE} does not follow its schema",
            where=f"{base}/{document.FILE}",
            why=str(error),
            fix="compare it with: bakery schema release",
        ) from None


def _compare(
    base: str, described: ReleaseDocument, digests: Mapping[str, str], sizes: Mapping[str, int]
) -> None:
    problems = [
        *_unnamed(described, digests),
        *(
            problem
            for image in described.images
            if image.file in digests
            for problem in _image_problems(described, image, digests[image.file], sizes[image.file])
        ),
    ]
    if problems:
        raise VerifyError(
            f"{document.FILE} contradicts the files beside it",
            where=f"{base}/{document.FILE}",
            why="\n".join(problems),
            fix="don't use it, and tell who published it",
        )


def _unnamed(described: ReleaseDocument, digests: Mapping[str, str]) -> Iterator[str]:
    images = [image.file for image in described.images if image.format != "folder"]
    for name in (*images, *described.sbom, *described.transfers):
        if name not in digests:
            yield f"{sums.FILE} does not name {name}"
    for name in digests:
        if name.endswith(".raw") and name not in images:
            yield f"it does not describe {name}"


def _image_problems(
    described: ReleaseDocument, image: ReleasedImage, digest: str, size: int
) -> Iterator[str]:
    if image.file != f"{described.name}-{described.version}-{image.arch}.raw":
        yield f"{image.file} is not what {described.name} {described.version} is called"
    if image.sha256 != digest:
        yield f"{image.file} has another digest there, {image.sha256}"
    if image.size != size:
        yield f"{image.file} has {size} bytes, and {image.size} there"


def _refuse_strangers(folder: Path, digests: Mapping[str, str]) -> None:
    strangers = sorted({path.name for path in folder.iterdir()} - {*digests, *_UNLISTED})
    if strangers:
        raise VerifyError(
            f"{sums.FILE} does not name every file",
            where=str(folder),
            why=f"nobody vouches for {', '.join(strangers)}",
            fix="remove what does not belong there",
        )


def _small(base: str, name: str) -> bytes:
    _, _, data = _hashed(base, name, keep=True)
    return data


def _hashed(base: str, name: str, *, keep: bool) -> tuple[str, int, bytes]:
    """Return a file's digest, its size, and its bytes if they are to be kept."""
    url = f"{base}/{quote(name)}"
    digest = hashlib.sha256()
    size = 0
    kept = bytearray()
    try:
        with request(url, None, Patience()) as answer:
            while chunk := answer.read():
                digest.update(chunk)
                size += len(chunk)
                if keep:
                    kept += chunk
                    if len(kept) > _SMALL:
                        raise VerifyError(
                            f"{name} is too large to be true",
                            where=url,
                            fix="don't use it, and tell who published it",
                        )
            if answer.total not in (None, size):
                raise VerifyError(
                    f"the download of {name} ended too early", where=url, fix="try again"
                )
    except SourceError as error:
        raise VerifyError(
            f"{name} can't be read",
            where=url,
            why=str(error),
            fix="who publishes must set BAKERY_SIGNING_KEY; else ask for no signature"
            if name == sums.SIGNATURE
            else "give the address or folder of a whole release or channel",
        ) from None
    return digest.hexdigest(), size, bytes(kept)
