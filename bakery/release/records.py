"""What the ledger knows of finished images, and keeps beside their records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.image import manifest as manifests
from bakery.release import boots

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.build.state import Ledger
    from bakery.image.manifest import Manifest
    from bakery.recipe.plan import Image, Release
    from bakery.release.boots import Boot
    from bakery.release.finished import Finished

KEPT = ("manifest", "inventory")


def kept(ledger: Ledger, image: str, what: str) -> Path:
    """Return where one of `KEPT` is, or would be, for an image's full name."""
    return ledger.folder / "squash" / f"{image}.{what}"


def finished(ledger: Ledger, image: Image, folder: Path) -> Finished:
    """Return a finished image with everything that is on record of it.

    Args:
        ledger: where it is recorded.
        image: which image.
        folder: where its file lies.

    Raises:
        LedgerError: nothing is recorded.

    """
    from bakery.image import inventory
    from bakery.release.finished import Finished

    return Finished(
        image=image,
        record=ledger.required("squash", image.id),
        manifest=manifests.decode(kept(ledger, image.id, "manifest").read_bytes()),
        inventory=inventory.decode(kept(ledger, image.id, "inventory").read_bytes()),
        boots=passed(ledger, image, folder),
    )


def passed(ledger: Ledger, image: Image, folder: Path) -> tuple[Boot, ...]:
    """Return the boots that an image has passed as the bytes that it is now."""
    record = ledger.record("boot", image.id)
    if record is None or not ledger.holds("boot", image.id, record.key, folder):
        return ()
    return boots.read(record.facts)


def before(ledger: Ledger, release: Release) -> tuple[str | None, dict[str, Manifest]]:
    """Return the version before a release, and its manifests as far as they are here."""
    tags = release.source.lock.tags
    at = tags.index(release.version.tag)
    if at == 0:
        return None, {}
    found: dict[str, Manifest] = {}
    for image in release.images:
        arch = image.contents.arch
        path = kept(ledger, f"{release.source.name}-{tags[at - 1]}-{arch}", "manifest")
        if path.exists():
            found[arch] = manifests.decode(path.read_bytes())
    return tags[at - 1], found


def decisive(ledger: Ledger, release: Release, folder: Path) -> list[str]:
    """Return what decides a release's small files, beside its images and the settings."""
    recipe = release.source.recipe
    locked = release.locked
    return [
        *(str(passed(ledger, image, folder)) for image in release.images),
        *(recipe.summary, recipe.homepage, recipe.license),
        *(*recipe.requires, *recipe.replaces, *recipe.channels),
        *(f"{asset.url} {asset.trust} {asset.citation}" for asset in locked.assets),
    ]
