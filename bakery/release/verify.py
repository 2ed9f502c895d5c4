"""What a consumer can check of a published release or channel, without building anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.release import document, notes, sums
from bakery.release.errors import ReleaseError
from bakery.release.reader import ReleaseReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.http.client import Client

_UNLISTED = {sums.FILE, sums.SIGNATURE, sums.ARMORED, notes.FILE}


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


def verify(
    location: str, *, keyring: Path | None, client: Client | None = None
) -> Iterator[Verified]:
    """Check everything that is published in one folder; yield each file once it is checked.

    What the index and release.json say of images is checked before any of them is asked for, and
    no more bytes are read of a file than they allow.

    Args:
        location: the address of a release or channel, without a file's name, or a folder.
        keyring: public keys, armored or not, one of which must have signed the checksums; None
            does without a signature.
        client: asks; None for the usual retries and limits.

    Raises:
        ReleaseError: something is missing, altered, unsigned, or contradicts something else.
        MissingToolError: gpg is not installed.

    """
    is_address = "://" in location
    folder = Path(location)
    base = location.rstrip("/") if is_address else folder.absolute().as_uri()
    reader = ReleaseReader.open(base, client)
    if keyring is not None:
        size = reader.check_signature(keyring)
        yield Verified(sums.SIGNATURE, size, f"signature by a key of {keyring}")
    _refuse_no_image(reader)
    sizes: dict[str, int] = {}
    if document.FILE in reader.digests:
        described = reader.document()
        sizes = {image.file: image.size for image in described.images}
        _compare(reader, described, {})
        what = f"describes {described.name} {described.version}, as its files are"
        yield Verified(document.FILE, len(reader.read(document.FILE)), what)
    for name, digest in reader.digests.items():
        size = reader.check(name, sizes.get(name))
        if sizes.get(name, size) != size:
            _compare(reader, described, {name: size})
        yield Verified(name, size, f"SHA-256 {digest}")
    if not is_address:
        _refuse_unlisted(folder, reader.digests)


def _refuse_no_image(reader: ReleaseReader) -> None:
    if not any(name.endswith(".raw") for name in reader.digests):
        raise ReleaseError(
            f"{sums.FILE} names no image",
            where=f"{reader.base}/{sums.FILE}",
            fix="give the address or folder of a whole release or channel",
        )


def _compare(
    reader: ReleaseReader, described: document.ReleaseDocument, sizes: Mapping[str, int]
) -> None:
    files = {name: (sizes.get(name), digest) for name, digest in reader.digests.items()}
    problems = list(document.contradictions(described, files))
    if problems:
        raise ReleaseError(
            f"{document.FILE} contradicts the files beside it",
            where=f"{reader.base}/{document.FILE}",
            why="\n".join(problems),
            fix="don't use it, and tell who published it",
        )


def _refuse_unlisted(folder: Path, digests: Mapping[str, str]) -> None:
    unlisted = sorted({path.name for path in folder.iterdir()} - {*digests, *_UNLISTED})
    if unlisted:
        raise ReleaseError(
            f"{sums.FILE} does not name every file",
            where=str(folder),
            why=f"nobody vouches for {', '.join(unlisted)}",
            fix="remove what does not belong there",
        )
