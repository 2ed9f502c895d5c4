"""The steps that make a release: fetch, stage, squash, build. Each knows whether it is done."""

from __future__ import annotations

import functools
import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.build.state import Ledger
from bakery.errors import BakeryError
from bakery.files import remove, replace, write_whole
from bakery.image import manifest as manifests
from bakery.image.relocation import patchelf
from bakery.processors import Processors
from bakery.release import records
from bakery.store.folder import Store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakery.image.manifest import Manifest
    from bakery.progress import Meter
    from bakery.recipe.plan import Asset, Image, Release
    from bakery.release.signing import SigningKey
    from bakery.settings import Settings

_BYTES_PER_PROCESSOR = 32 << 20  # less than this is not worth another processor


class WorkshopError(BakeryError):
    """A step finds its material gone."""


@functools.cache
def code_digest(layer: str) -> str:
    """Return the digest of a layer's code, which decides what it makes of its input."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parents[1] / layer).rglob("*.*")):
        if path.suffix in {".py", ".sh"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def key_of(*parts: str) -> str:
    """Return the digest of several texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class Workshop:
    """Where images are made.

    Attributes:
        settings: where things are and how work is done.
        store: the assets.
        ledger: what has been made.
        processors: shared by the steps that compute.

    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.store)
        self.ledger = Ledger(settings.dist / ".bakery")
        self.processors = Processors(settings.jobs)

    def staged(self, image: Image) -> Path:
        """Return the folder of an image's tree and manifest.json."""
        return self.settings.dist / "stage" / image.id

    def tree(self, image: Image) -> Path:
        """Return the root of an image's tree."""
        return self.staged(image) / "tree"

    def folder(self, release: str) -> Path:
        """Return the folder that holds a release's finished files."""
        return self.settings.dist / release

    def file(self, image: Image) -> Path:
        """Return where a finished image lies."""
        return self.folder(image.release) / image.filename

    # Fetch

    def is_fetched(self, asset: Asset, images: Iterable[Image]) -> bool:
        """Return whether an asset is in the store, or not needed by any of the images."""
        if all(self.is_staged(image) for image in images):
            return True
        return self.store.has(asset.sha256, asset.size)

    def fetch(self, asset: Asset, meter: Meter) -> None:
        """Bring an asset into the store."""
        from bakery.store.download import fetch
        from bakery.upstream.resolve import resolve

        settings = self.settings
        fetch(
            self.store,
            asset,
            settings=settings,
            meter=meter,
            resolve=lambda address: resolve(address, settings),
        )

    # Stage

    def is_staged(self, image: Image) -> bool:
        """Return whether an image's tree is there, or not needed since the image itself is."""
        return self.is_squashed(image) or self.ledger.holds(
            "stage", image.id, self._stage_key(image), self.staged(image)
        )

    def stage(self, image: Image, meter: Meter) -> str:
        """Write an image's tree and manifest; return the manifest's notes."""
        from bakery.image.stage import stage

        with self.ledger.alone("stage", image.id) as work:
            if self.is_staged(image):
                return ""
            key = self._stage_key(image)
            tree = work.scratch / "tree"
            tree.mkdir()
            with self.processors.take(1):
                manifest = stage(image, key, self._assets(image), tree, meter)
            (work.scratch / "manifest.json").write_bytes(manifests.encode(manifest))
            folder = self.staged(image)
            replace(work.scratch, folder)
            self.ledger.finish(
                "stage", image.id, key=key, work=work, folder=folder, files=["manifest.json"]
            )
        return "\n".join(manifest.notes)

    def _assets(self, image: Image) -> dict[str, Path]:
        found = {}
        for asset in image.contents.assets:
            path = self.store.find(asset.sha256, asset.size)
            if path is None:
                raise WorkshopError(
                    f"{asset.filename} is no longer in the store",
                    where=str(self.store.root),
                    fix="build again; keep `bakery gc` from running beside a build",
                )
            found[asset.sha256] = path
        return found

    def _stage_key(self, image: Image) -> str:
        rewriter = patchelf.version() if image.contents.self_contained else ""
        return key_of("stage", image.digest(), code_digest("image"), rewriter)

    # Squash

    def is_squashed(self, image: Image) -> bool:
        """Return whether an image is there, as its recipe and the tools would make it now."""
        try:
            key = self.squash_key(image)
        except BakeryError:
            return False
        return self.ledger.holds("squash", image.id, key, self.folder(image.release))

    def squash(self, image: Image, _meter: Meter) -> None:
        """Write an image from its tree."""
        from bakery.image import inventory as inventories
        from bakery.image.squash import squash, writers

        with self.ledger.alone("squash", image.id) as work:
            if self.is_squashed(image):
                return
            data = (self.staged(image) / "manifest.json").read_bytes()
            manifest = manifests.decode(data)
            output = work.scratch / image.filename
            with self.processors.take(1):
                inventory = inventories.encode(inventories.take(self.tree(image), manifest))
            with self.processors.take(1 + manifest.size // _BYTES_PER_PROCESSOR) as processors:
                squash(
                    self.tree(image),
                    output,
                    manifest=manifest,
                    format=image.format,
                    profile=self.settings.profile,
                    processors=processors,
                    work=work.scratch,
                )
            facts: dict[str, str | int] = {
                "sha256": _digest(output),
                "size": output.stat().st_size if output.is_file() else manifest.size,
                "contents": manifest.size,
                "tools": writers(image.format, self.settings.profile),
            }
            replace(output, self.file(image))
            write_whole(records.kept(self.ledger, image.id, "manifest"), data)
            write_whole(records.kept(self.ledger, image.id, "inventory"), inventory)
            self.ledger.finish(
                "squash",
                image.id,
                key=self.squash_key(image),
                work=work,
                folder=self.folder(image.release),
                files=[image.filename],
                facts=facts,
            )

    def manifest(self, image: Image) -> Manifest:
        """Return the manifest of a finished image."""
        return manifests.decode(records.kept(self.ledger, image.id, "manifest").read_bytes())

    def squash_key(self, image: Image) -> str:
        """Return the digest of everything that decides an image's bytes."""
        from bakery.image.squash import writers

        return key_of(
            "squash",
            self._stage_key(image),
            image.format,
            writers(image.format, self.settings.profile),
        )

    # Build

    def is_built(self, release: Release) -> bool:
        """Return whether a release's folder is complete, and as the settings and boots ask for."""
        if release.problem or not all(self.is_squashed(image) for image in release.images):
            return False
        try:
            key = self._build_key(release)
        except BakeryError:
            return False
        return self.ledger.holds("build", release.name, key, self.folder(release.name))

    def build(self, release: Release, _meter: Meter) -> None:
        """Complete a release's folder: everything that lies beside the images.

        Raises:
            BakeryError: the release's lock has a problem, or the signing key.

        """
        from bakery.release.assemble import assemble

        if release.problem:
            raise release.problem
        with self.ledger.alone("build", release.name) as work:
            folder = self.folder(release.name)
            previous, before = records.before(self.ledger, release)
            files = assemble(
                release,
                [records.finished(self.ledger, image, folder) for image in release.images],
                settings=self.settings,
                key=self.signing_key,
                previous=previous,
                before=before,
            )
            images = [image.filename for image in release.images]
            for path in folder.iterdir():
                if path.name not in images:
                    remove(path)
            for name, data in files.items():
                write_whole(folder / name, data)
            self.ledger.finish(
                "build",
                release.name,
                key=self._build_key(release),
                work=work,
                folder=folder,
                files=sorted(files),
            )

    @cached_property
    def signing_key(self) -> SigningKey | None:
        """The key that signs releases and channels; None where none is configured."""
        from bakery.release.signing import SigningKey

        return SigningKey.configured()

    def _build_key(self, release: Release) -> str:
        signer = self.signing_key
        return key_of(
            "build",
            code_digest("release"),
            *(self.squash_key(image) for image in release.images),
            *records.decisive(self.ledger, release, self.folder(release.name)),
            self.settings.publish_url,
            *(f"{each.subject}: {each.reason}" for each in self.settings.boot_waiver),
            signer.fingerprint if signer else "",
        )

    # Clean

    def clean(self, release: Release) -> None:
        """Remove all that was made for a release, assets excepted."""
        for image in release.images:
            with self.ledger.alone("clean", image.id):
                remove(self.staged(image))
                remove(self.settings.dist / "boot" / image.id)
                for what in records.KEPT:
                    remove(records.kept(self.ledger, image.id, what))
                for step in ("stage", "squash", "check", "boot"):
                    self.ledger.forget(step, image.id)
        with self.ledger.alone("clean", release.name):
            remove(self.folder(release.name))
            self.ledger.forget("build", release.name)


def _digest(path: Path) -> str:
    if path.is_dir():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
