"""The small files of a release: all that lies beside the images."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bakery.decoding import to_json
from bakery.release import cyclonedx, document, notes, signing, spdx, sums, sysupdate
from bakery.release.bill import AUTHOR, bill
from bakery.settings import CERTIFICATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bakery.boot.waiver import WaivedBoot
    from bakery.image.manifest import Manifest
    from bakery.image.verity.signing import Certificates
    from bakery.recipe.plan import Release
    from bakery.release.document import Finished
    from bakery.release.signing import SigningKey
    from bakery.settings import Settings


def assemble(
    release: Release,
    images: Sequence[Finished],
    *,
    settings: Settings,
    waived_boots: Sequence[WaivedBoot],
    key: SigningKey | None,
    certificates: Certificates | None,
    previous: str | None,
    before: Mapping[str, Manifest],
) -> dict[str, bytes]:
    """Return a release's small files by name, in the order in which to write them.

    SHA256SUMS names every file but itself, its signatures and the notes: they are no part of what
    hosts get, and tell of the version before only if it was made here too.

    Args:
        release: what is released.
        images: its images.
        settings: where it will be published, and by whom.
        waived_boots: the boots that images need not have passed.
        key: signs it; None leaves it unsigned.
        certificates: those that hosts must have for signed images; None where there are none.
        previous: the version before; None when this is the first.
        before: that version's manifests by architecture, as far as they are here.

    Raises:
        ReleaseError: hosts can't follow it.
        BakeryError: the key can't be used.

    """
    verity = any(image.released.verity for image in images)
    transfers = sysupdate.files(release, settings.channels_url, verity=verity)
    files = {**transfers, **_sbom(release, images, settings)}
    described = document.describe(
        release,
        images,
        waived_boots=waived_boots,
        sbom=[name for name in files if name.endswith(".json")],
        transfers=list(transfers),
        signed_by=key.fingerprint if key else None,
    )
    if verity and certificates:
        files[CERTIFICATE] = certificates.pem
    files[document.FILE] = document.encode(described)
    if key:
        files[signing.KEYRING] = key.public
    files[notes.FILE] = notes.write(described, images, previous, before)
    files[sums.FILE] = sums.encode(_digests(images, files))
    if key:
        signature = key.sign(files[sums.FILE])
        files[sums.SIGNATURE] = signature.binary
        files[sums.ARMORED] = signature.armored
    return files


def _sbom(release: Release, images: Sequence[Finished], settings: Settings) -> dict[str, bytes]:
    kind, _, repository = settings.publisher.partition(":")
    described = bill(release, images, repository if kind == "github" else AUTHOR)
    return {
        f"{release.name}.{kind}.json": to_json(made)
        for kind, made in (
            ("cdx", cyclonedx.document(described)),
            ("spdx", spdx.document(described)),
        )
    }


def _digests(images: Sequence[Finished], files: Mapping[str, bytes]) -> dict[str, str]:
    digests = {file.file: file.sha256 for each in images for file in each.released.files}
    listed = {name: data for name, data in files.items() if name != notes.FILE}
    return digests | {name: hashlib.sha256(data).hexdigest() for name, data in listed.items()}
