"""The image for dm-verity beside a plain one: made of it, and signed where there is a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.files import move, sha256
from bakery.image.errors import VerityError
from bakery.image.verity.image import join, make, read
from bakery.image.verity.signing import Certificates, Signer
from bakery.release.document import ReleasedVerity

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.image.verity.signature import Signature
    from bakery.recipe.plan import Image
    from bakery.settings import Settings


@dataclass(frozen=True)
class VeritySigning:
    """By whom images for dm-verity are signed.

    Attributes:
        certificates: those that hosts are to have; None where there are none.
        signer: signs; None where nobody does here.

    """

    certificates: Certificates | None = None
    signer: Signer | None = None

    @classmethod
    def configured(cls, settings: Settings) -> VeritySigning:
        """Return what settings and environment say.

        Raises:
            VerityError: certificates or key can't be used.

        """
        certificates = Certificates.configured(settings)
        signer = Signer.configured(certificates)
        return cls(signer.certificates if signer else certificates, signer)

    def without_key(self) -> VeritySigning:
        """Return the same, where nothing may be signed yet."""
        return VeritySigning(self.certificates)


def write(
    image: Image, plain: Path, plain_sha256: str, scratch: Path, signing: VeritySigning
) -> ReleasedVerity:
    """Write the image for dm-verity beside a finished one.

    A signature that was made elsewhere stays, if it is of the same root hash and by one of the
    certificates.

    Args:
        image: what the plain one is.
        plain: its file.
        plain_sha256: its digest as it was built.
        scratch: a folder for temporary files, on the same file system.
        signing: who signs.

    Raises:
        VerityError: the plain image has changed, or is not of whole blocks.
        OSError: a file can't be read or written.

    """
    output = plain.with_name(image.name.verity_file)
    signer, arch = signing.signer, image.contents.arch
    partial = scratch / output.name
    sign = signer.sign if signer else None
    root = make(plain, partial, arch=arch, sha256=plain_sha256, sign=sign)
    signed_by = signer.fingerprint if signer else None
    if signer is None:
        joined = _made_elsewhere(output, root, signing.certificates)
        if joined is not None:
            signed, signed_by = joined
            whole = scratch / f"{output.name}.signed"
            join(read(partial), whole, signed)
            partial = whole
    made = ReleasedVerity(
        file=output.name,
        size=partial.stat().st_size,
        sha256=sha256(partial),
        root_hash=root,
        signed_by=signed_by,
    )
    move(partial, output)
    return made


def _made_elsewhere(
    path: Path, root_hash: str, certificates: Certificates | None
) -> tuple[Signature, str] | None:
    """Return the signature that an image has from before, and the fingerprint of its signer."""
    try:
        signature = read(path).signature
        if signature and certificates and signature.root_hash == root_hash:
            return signature, certificates.verify(signature)
    except (OSError, ValueError, VerityError):
        return None  # there is no image yet, or none that is signed by us
    return None
