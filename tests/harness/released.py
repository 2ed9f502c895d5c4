"""Releases as the publisher has them, of images that tests make."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from bakery.release import document
from bakery.release.document import ReleasedImage, ReleaseDocument

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bakery.recipe.model import Arch


def release(
    root: Path, name: str, version: str, images: Mapping[Arch, bytes], **fields: Any
) -> Path:
    """Write a release of some images below a publisher's folder; return its own."""
    folder = root / f"{name}-{version}"
    folder.mkdir(parents=True)
    released = []
    for arch, data in images.items():
        file = f"{name}-{version}-{arch}.raw"
        (folder / file).write_bytes(data)
        released.append(
            ReleasedImage(
                file=file,
                arch=arch,
                format="squashfs",
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                key="",
                contents=0,
                tools="",
                boots=(),
            )
        )
    given: dict[str, Any] = {"os": "any", "requires": (), "replaces": (), **fields}
    described = ReleaseDocument(
        name=name,
        version=version,
        summary="",
        homepage="",
        license="",
        parts={},
        images=tuple(released),
        assets=(),
        boot_waiver=None,
        sbom=(),
        transfers=(),
        signed_by=None,
        **given,
    )
    (folder / document.FILE).write_bytes(document.encode(described))
    return folder
