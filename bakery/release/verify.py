"""What a consumer can check of a published release or channel, without building anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.release import document, identity, index, notes, sums
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

    What the index and release.json or channel.json say of images is checked before any of them is
    asked for, and no more bytes are read of a file than they allow.

    Args:
        location: the address of a release or channel, without a file's name, or a folder; the name
            at its end is the name of what must be there.
        keyring: public keys, armored or not, one of which must have signed the checksums; None
            does without a signature.
        client: asks; None for the usual retries and limits.

    Raises:
        ReleaseError: something is missing, altered, unsigned, or contradicts something else.
        MissingToolError: gpg is not installed.

    """
    is_address = "://" in location
    folder = Path(location)
    base = location.rstrip("/") if is_address else folder.resolve().as_uri()
    reader = ReleaseReader.open(base, client)
    if keyring is not None:
        size = reader.check_signature(keyring)
        yield Verified(sums.SIGNATURE, size, f"signature by a key of {keyring}")
    _refuse_no_image(reader)
    described = identity.release(reader) if identity.is_release(reader) else None
    file = document.FILE if described else index.CHANNEL
    if described:
        sizes = {each.file: each.size for image in described.images for each in image.files}
        what = f"describes {described.name} {described.version}, as its files are"
        waived = "".join(f"\n  not booted: {each}" for each in described.waived_boots)
        yield Verified(file, len(reader.read(file)), f"{what}{waived}")
    else:
        listed = identity.channel(reader)
        images = [image for each in listed for image in each.images]
        sizes = {each.file: each.size for image in images for each in image.files}
        what = f"lists {', '.join(each.tag for each in listed)}, as its files are"
        yield Verified(file, len(reader.read(file)), what)
    for name, digest in reader.digests.items():
        size = reader.check(name, sizes.get(name))
        identity.compare_size(reader, file, name, size=size, told=sizes.get(name, size))
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


def _refuse_unlisted(folder: Path, digests: Mapping[str, str]) -> None:
    unlisted = sorted({path.name for path in folder.iterdir()} - {*digests, *_UNLISTED})
    if unlisted:
        raise ReleaseError(
            f"{sums.FILE} does not name every file",
            where=str(folder),
            why=f"nobody vouches for {', '.join(unlisted)}",
            fix="remove what does not belong there",
        )
