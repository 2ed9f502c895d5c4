"""What `bakery sign-image` does: images for dm-verity are signed here, or joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.files import move
from bakery.image.errors import VerityError
from bakery.image.verity.image import confirm, join, read
from bakery.image.verity.signing import CERTIFICATE, KEY, Signer, made_elsewhere

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.image.verity.signing import Certificates


def root_hash(path: Path) -> str:
    """Return what is to be signed of an image, in hexadecimal.

    Raises:
        VerityError: it is damaged, or no image for dm-verity.

    """
    image = read(path)
    confirm(image)
    return image.root_hash


def sign(path: Path, certificates: Certificates | None, signature: Path | None) -> str:
    """Give an image a signature; return the fingerprint of the signer's certificate.

    Args:
        path: the image, which is replaced.
        certificates: those that may have signed; None for the one in the signature.
        signature: a file with one that was made elsewhere; None to make it here.

    Raises:
        VerityError: the image is damaged, the signature is of another, or there is no key.

    """
    image = read(path)
    if signature:
        made = made_elsewhere(image.root_hash, signature.read_bytes(), certificates)
    else:
        signer = Signer.configured(certificates)
        if signer is None:
            raise VerityError(
                "there is no key to sign with",
                where=KEY,
                fix=f"set it, and {CERTIFICATE}; or join a signature that was made elsewhere:"
                " --signature FILE",
            )
        made = signer.sign(image.root_hash)
    partial = path.with_name(f".{path.name}.partial")
    try:
        join(image, partial, made)
        move(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return made.fingerprint
