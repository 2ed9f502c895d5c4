"""What a consumer can check of a published release or channel, without building anything."""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from bakery.errors import BakeryError
from bakery.http import limits
from bakery.http.client import Client
from bakery.http.errors import RequestError, TooLargeError
from bakery.release import document, notes, sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.release.document import ReleasedImage, ReleaseDocument


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


def verify(place: str, *, keyring: Path | None, client: Client | None = None) -> Iterator[Verified]:
    """Check everything that is published in one place; yield what is good as it is found.

    What the index and release.json say of images is checked before any of them is asked for, and
    no more bytes are read of a file than they allow.

    Args:
        place: the address of a release or channel, without a file's name, or a folder.
        keyring: public keys, armored or not, one of which must have signed the checksums; None
            does without a signature.
        client: asks; None for the usual retries and limits.

    Raises:
        VerifyError: something is missing, altered, unsigned, or contradicts something else.
        MissingToolError: gpg is not installed.

    """
    folder = Path(place)
    files = _Files(place.rstrip("/") if "://" in place else folder.absolute().as_uri(), client)
    index = files.read(sums.FILE)
    if keyring is not None:
        yield check_signature(files.base, index, keyring, client)
    digests = _decoded(files.base, index)
    described = None
    if document.FILE in digests:
        data = files.read(document.FILE)
        _refuse_altered(files.base, document.FILE, hashlib.sha256(data).hexdigest(), digests)
        yield Verified(document.FILE, len(data), f"SHA-256 {digests[document.FILE]}")
        described = _described(files.base, data)
        _compare(files.base, described, digests)
        what = f"describes {described.name} {described.version}, as its files are"
        yield Verified(document.FILE, len(data), what)
    for name in (name for name in digests if name != document.FILE):
        yield files.verified(name, digests, described)
    if "://" not in place:
        _refuse_strangers(folder, digests)


def check_signature(
    base: str, index: bytes, keyring: Path, client: Client | None = None
) -> Verified:
    """Refuse checksums that none of some keys has signed.

    Args:
        base: the address of what is published, without a slash at its end.
        index: the bytes of its checksums.
        keyring: public keys, armored or not.
        client: asks; None for the usual retries and limits.

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
    signature = _Files(base, client).read(sums.SIGNATURE)
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


def _compare(base: str, described: ReleaseDocument, digests: Mapping[str, str]) -> None:
    problems = [
        *_unnamed(described, digests),
        *(
            problem
            for image in described.images
            if image.file in digests
            for problem in _image_problems(described, image, digests[image.file])
        ),
    ]
    if problems:
        raise _contradiction(base, "\n".join(problems))


def _contradiction(base: str, why: str) -> VerifyError:
    return VerifyError(
        f"{document.FILE} contradicts the files beside it",
        where=f"{base}/{document.FILE}",
        why=why,
        fix="don't use it, and tell who published it",
    )


def _refuse_altered(base: str, name: str, sha256: str, digests: Mapping[str, str]) -> None:
    if sha256 != digests[name]:
        raise _altered(base, name, f"its SHA-256 is {sha256}\n{sums.FILE} has {digests[name]}")


def _altered(base: str, name: str, why: str) -> VerifyError:
    return VerifyError(
        f"{name} is not the file that {sums.FILE} names",
        where=f"{base}/{name}",
        why=why,
        fix="download it again; if that does not help, don't use it and tell who published",
    )


def _unnamed(described: ReleaseDocument, digests: Mapping[str, str]) -> Iterator[str]:
    images = [image.file for image in described.images if image.format != "folder"]
    for name in (*images, *described.sbom, *described.transfers):
        if name not in digests:
            yield f"{sums.FILE} does not name {name}"
    for name in digests:
        if name.endswith(".raw") and name not in images:
            yield f"it does not describe {name}"


def _image_problems(described: ReleaseDocument, image: ReleasedImage, digest: str) -> Iterator[str]:
    if image.file != f"{described.name}-{described.version}-{image.arch}.raw":
        yield f"{image.file} is not what {described.name} {described.version} is called"
    if image.sha256 != digest:
        yield f"{image.file} has another digest there, {image.sha256}"


def _refuse_strangers(folder: Path, digests: Mapping[str, str]) -> None:
    strangers = sorted({path.name for path in folder.iterdir()} - {*digests, *_UNLISTED})
    if strangers:
        raise VerifyError(
            f"{sums.FILE} does not name every file",
            where=str(folder),
            why=f"nobody vouches for {', '.join(strangers)}",
            fix="remove what does not belong there",
        )


class _Files:
    """The files in one place."""

    def __init__(self, base: str, client: Client | None) -> None:
        self.base = base
        self._client = client or Client()

    def read(self, name: str) -> bytes:
        """Return a small file."""
        data = bytearray()
        with self._explained(name):
            self._client.copy(self._address(name), data.extend, size=limits.DOCUMENT)
        return bytes(data)

    def verified(
        self, name: str, digests: Mapping[str, str], described: ReleaseDocument | None
    ) -> Verified:
        """Read a file that is listed, and no more of it than is signed."""
        images = described.images if described else ()
        expected = next((image.size for image in images if image.file == name), None)
        largest = limits.ASSET if name.endswith(".raw") else limits.DOCUMENT
        digest = hashlib.sha256()
        with self._explained(name, expected):
            size = self._client.copy(
                self._address(name), digest.update, size=largest if expected is None else expected
            )
        _refuse_altered(self.base, name, digest.hexdigest(), digests)
        if expected not in (None, size):
            raise _contradiction(self.base, f"{name} has {size} bytes, and {expected} there")
        return Verified(name, size, f"SHA-256 {digests[name]}")

    def _address(self, name: str) -> str:
        return f"{self.base}/{quote(name)}"

    @contextmanager
    def _explained(self, name: str, expected: int | None = None) -> Iterator[None]:
        try:
            yield
        except TooLargeError as error:
            if expected is not None:
                why = f"it has more than the {expected} bytes that {document.FILE} gives"
                raise _altered(self.base, name, why) from None
            raise VerifyError(
                f"{name} is too large to be true",
                where=self._address(name),
                why=str(error),
                fix="don't use it, and tell who published it",
            ) from None
        except RequestError as error:
            raise VerifyError(
                f"{name} can't be read",
                where=self._address(name),
                why=str(error),
                fix="who publishes must set BAKERY_SIGNING_KEY; else ask for no signature"
                if name == sums.SIGNATURE
                else "give the address or folder of a whole release or channel",
            ) from None
