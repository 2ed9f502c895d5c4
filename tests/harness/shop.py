"""Finished images without tools, and what is made of them."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bakery import settings
from bakery.binary.go_build import GoBuild, GoModule
from bakery.binary.rust_build import Crate
from bakery.boot.waiver import of_release
from bakery.files import sha256
from bakery.image import inventory
from bakery.image.stage import stage
from bakery.progress import Silent
from bakery.recipe import lock as lockfile
from bakery.recipe.load import load_all
from bakery.recipe.lock import Lock, LockedAsset, LockedVersion
from bakery.recipe.plan import releases
from bakery.release import verity
from bakery.release.assemble import assemble
from bakery.release.document import Finished, ReleasedImage

if TYPE_CHECKING:
    from bakery.recipe.plan import Image, Release
    from bakery.release.document import ReleasedVerity
    from bakery.release.signing import SigningKey
    from bakery.release.verity import VeritySigning

RECIPE = """\
summary: A tool for tests
homepage: https://example.com/
license: MIT AND LicenseRef-Special
build: [v1.0.0, v1.1.0]
arch: {x86-64: amd64, arm64: aarch64}
assets:
  - url: https://example.com/tool-{version}-{arch}
    install: usr/bin/tool
  - url: https://example.com/extra-{version}
    install: usr/share/tool/extra
    when: ">= v1.1.0"
start: [tool.service]
channels: [minor]
"""
GO = GoBuild(go="go1.22.5", modules=(GoModule("example.com/Dep", "v1.0.0+incompatible"),))

CRATE = Crate(name="serde", version="1.0.219", source="registry")


def content(url: str) -> bytes:
    return f"#!/bin/sh\n# {url}\n".encode()


class Shop:
    """Finished images of a recipe's two versions, as far as they can be had without tools.

    Attributes:
        key: signs releases; None until a test gives one.
        verity: signs images for dm-verity; None where there are none.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.key: SigningKey | None = None
        self.verity: VeritySigning | None = None
        recipe = folder / "recipes/tool"
        unit = recipe / "files/usr/lib/systemd/system/tool.service"
        unit.parent.mkdir(parents=True)
        unit.write_text("[Service]\nExecStart=/usr/bin/tool\n")
        (recipe / "recipe.yaml").write_text(RECIPE)
        versions = {
            version: LockedVersion(assets=tuple(map(self._pinned, urls)))
            for version, urls in {
                "v1.0.0": [self.url("v1.0.0", "amd64"), self.url("v1.0.0", "aarch64")],
                "v1.1.0": [
                    self.url("v1.1.0", "amd64"),
                    self.url("v1.1.0", "aarch64"),
                    "https://example.com/extra-v1.1.0",
                ],
            }.items()
        }
        (recipe / "lock.json").write_bytes(lockfile.encode(Lock(versions=versions)))
        source = load_all(folder / "recipes")["tool"]
        self.releases: dict[str, Release] = {each.version.tag: each for each in releases(source)}

    @staticmethod
    def url(version: str, arch: str) -> str:
        return f"https://example.com/tool-{version}-{arch}"

    def _pinned(self, url: str) -> LockedAsset:
        digest = hashlib.sha256(content(url)).hexdigest()
        place = self._folder / digest
        place.write_bytes(content(url))
        return LockedAsset(url=url, sha256=digest, size=len(content(url)), trust="first-use")

    def finished(self, version: str) -> list[Finished]:
        return [self._finished(image) for image in self.releases[version].images]

    def _finished(self, image: Image) -> Finished:
        tree = Path(tempfile.mkdtemp(dir=self._folder))
        assets = {asset.sha256: self._folder / asset.sha256 for asset in image.contents.assets}
        manifest = stage(image, "key", assets, tree, Silent())
        tool = inventory.BinaryDetails(go=GO, crates=(CRATE,))
        released = ReleasedImage(
            file=image.filename,
            arch=image.contents.arch,
            format=image.format,
            size=len(image.id),
            sha256=hashlib.sha256(image.id.encode()).hexdigest(),
            key="key",
            contents=manifest.size,
            tools="squashfs",
            boots=(),
            verity=self._verity(image) if self.verity else None,
        )
        return Finished(
            image=image,
            released=released,
            manifest=manifest,
            inventory=inventory.Inventory({"usr/bin/tool": tool}),
        )

    def _verity(self, image: Image) -> ReleasedVerity:
        assert self.verity
        folder = self._folder / "verity"
        folder.mkdir(exist_ok=True)
        plain = folder / image.filename
        plain.write_bytes(image.id.encode().ljust(4096, b"\0"))
        return verity.write(image, plain, sha256(plain), self._folder, self.verity)

    def publish(self, files: dict[str, bytes], version: str) -> Path:
        """Write a release's folder, the images' names for their bytes."""
        folder = self._folder / f"tool-{version}"
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        for image in self.releases[version].images:
            (folder / image.filename).write_text(image.id)
            if self.verity:
                shutil.copy(self._folder / "verity" / image.name.verity_file, folder)
        return folder

    def assembled(self, version: str, **environment: str) -> dict[str, bytes]:
        """Return the small files of a version, by name."""
        tags = list(self.releases)
        at = tags.index(version)
        before = self.finished(tags[at - 1]) if at else []
        held = settings.load(self._folder, environment)
        return assemble(
            self.releases[version],
            self.finished(version),
            settings=held,
            waived_boots=of_release(held, self.releases[version]),
            key=self.key,
            certificates=self.verity.certificates if self.verity else None,
            previous=tags[at - 1] if at else None,
            before={each.image.contents.arch: each.manifest for each in before},
        )
