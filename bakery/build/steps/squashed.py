"""What squash leaves for the steps after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bakery.image import manifest as manifests

if TYPE_CHECKING:
    from bakery.build.state import State
    from bakery.build.step import AnyStep
    from bakery.image.manifest import Manifest

KIND = "squash"
MANIFEST = "manifest"
INVENTORY = "inventory"


class Squashed(msgspec.Struct, frozen=True, kw_only=True):
    """What is on record of a finished image.

    Attributes:
        sha256: the digest of its file; empty for a folder.
        size: its bytes.
        contents: the bytes of all files in it together.
        tools: the programs and options that wrote it.
        unlabelled: why it has no SELinux labels; None where it has them.

    """

    sha256: str
    size: int
    contents: int
    tools: str
    unlabelled: str | None = None


def manifest(state: State, squashed: AnyStep) -> Manifest:
    """Return the manifest of a finished image.

    Raises:
        StateError: it is gone.

    """
    return manifests.decode(state.required_attachment(squashed, MANIFEST))
