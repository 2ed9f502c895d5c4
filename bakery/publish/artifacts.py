"""How releases and channels are written as manifests of a registry.

A release is an index, with a manifest for each image and its platform, so that every client finds
the image of its own, and a last one for no platform that lists all files. Bills of materials,
release.json and signed checksums are attached to it as well, where tools look for such. A channel
is one manifest of all its files. Nothing in them tells when or where they were written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from bakery.arch import ARCHITECTURES
from bakery.registry.contents import FILES, NAME
from bakery.registry.manifest import TITLE, Descriptor, Index, Manifest, Platform, Stored
from bakery.release import document, notes, signing, sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bakery.release.document import ReleaseDocument

RELEASE = "application/vnd.sysext-bakery.release.v1"
CHANNEL = "application/vnd.sysext-bakery.channel.v1"
OURS = frozenset({RELEASE, CHANNEL})
CHECKSUMS = "application/vnd.sysext-bakery.checksums.v1"
_ABOUT = "org.opencontainers.image."
_NO_PLATFORM = Platform(architecture="unknown", os="unknown")
_SIGNATURE = "application/pgp-signature"
_KINDS = {
    document.FILE: "application/vnd.sysext-bakery.release.v1+json",
    sums.FILE: "text/plain",
    sums.SIGNATURE: _SIGNATURE,
    sums.ARMORED: _SIGNATURE,
    signing.KEYRING: "application/pgp-keys",
    notes.FILE: "text/markdown",
}
_BILLS = {
    ".spdx.json": "application/spdx+json",
    ".cdx.json": "application/vnd.cyclonedx+json",
}
_ATTACHED = {_KINDS[document.FILE], *_BILLS.values()}
_ENDINGS = {**_BILLS, ".json": "application/json", ".crt": "application/x-pem-file"}
_PLAIN = "application/octet-stream"


def media_type(name: str, images: str) -> str:
    """Return the media type of a file by its name; `images` is that of images."""
    endings = {".raw": images, **_ENDINGS}
    by_ending = (kind for ending, kind in endings.items() if name.endswith(ending))
    return _KINDS.get(name) or next(by_ending, _PLAIN)


def titled(descriptor: Descriptor, name: str) -> Descriptor:
    """Return what describes a blob as a file of some name."""
    return structs.replace(descriptor, annotations={TITLE: name})


def channel(name: str, files: Iterable[Descriptor], about: Mapping[str, str]) -> Manifest:
    """Return the manifest of a channel, with more annotations `about` it."""
    return Manifest.of(CHANNEL, files, annotations={TITLE: name, NAME: name, **about})


class ReleaseArtifact:
    """A release as a registry holds it.

    Attributes:
        manifests: what the index is of.
        index: the index, which has the release's tag.

    Args:
        described: what its release.json says.
        files: its files, by name.
        about: more annotations.

    """

    def __init__(
        self, described: ReleaseDocument, files: Mapping[str, Descriptor], about: Mapping[str, str]
    ) -> None:
        self._files = files
        self._about = {
            f"{_ABOUT}title": described.name,
            f"{_ABOUT}version": described.version,
            f"{_ABOUT}description": described.summary,
            f"{_ABOUT}url": described.homepage,
            f"{_ABOUT}licenses": described.license,
            NAME: described.tag,
            **about,
        }
        images = [
            (files[each.file], Platform(architecture=ARCHITECTURES[image.arch].debian, os="linux"))
            for image in described.images
            for each in image.files
            if each.file in files
        ]
        listed = self._manifest(FILES, files.values())
        self.manifests = [*(self._manifest(file.media_type, [file]) for file, _ in images), listed]
        platforms = [*(platform for _, platform in images), _NO_PLATFORM]
        self.index = Index.of(
            [
                structs.replace(
                    Stored.of(each).descriptor, artifact_type=each.artifact_type, platform=platform
                )
                for each, platform in zip(self.manifests, platforms, strict=True)
            ],
            artifact_type=RELEASE,
            annotations=self._about,
        )

    def attachments(self) -> list[Manifest]:
        """Return what is attached to the index."""
        subject = Stored.of(self.index).descriptor
        groups = [
            (file.media_type, [name])
            for name, file in self._files.items()
            if file.media_type in _ATTACHED
        ]
        groups.append((CHECKSUMS, [sums.FILE, sums.SIGNATURE, sums.ARMORED]))
        return [
            Manifest.of(kind, layers, subject=subject, annotations=self._about)
            for kind, names in groups
            if (layers := [self._files[name] for name in names if name in self._files])
        ]

    def _manifest(self, artifact_type: str, layers: Iterable[Descriptor]) -> Manifest:
        return Manifest.of(artifact_type, layers, annotations=self._about)
