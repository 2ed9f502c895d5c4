"""What a shared cache can do, wherever it is; it knows bytes, and nothing of what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

LARGEST_BLOB = 8 << 30
"""Bytes; no image, and no document about one, is larger."""
LARGEST_RESULT = 4 << 20
"""Bytes; a result is a page of JSON, with a line for whatever was looked at in a boot."""


class RemoteError(Exception):
    """A shared cache does not do what it is asked; the text says why, without secrets."""


class GoneError(RemoteError):
    """A blob is not there any more, as anybody may remove old ones: the rest may well be."""

    def __init__(self, blob: Blob) -> None:
        super().__init__(f"the blob {blob.sha256} is gone")


class Blob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bytes, as far as they are known before they come.

    Attributes:
        sha256: their digest.
        size: how many there are.

    """

    sha256: Digest
    size: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_BLOB)]


class Remote(Protocol):
    """A shared cache. What it gives is not to be believed; safe for several threads.

    Every method may raise `RemoteError`, an error of a request, or an `OSError`.
    """

    @property
    def name(self) -> str:
        """What people call it: its host, or its folder."""

    def result(self, key: str) -> bytes | None:
        """Return what lies under a key; None where nothing does."""

    def fetch(self, blob: Blob, target: Path, advance: Callable[[int], object]) -> None:
        """Write a blob to a file, and hardly more than it has; nobody need compare the digest.

        Args:
            blob: what is wanted.
            target: the file.
            advance: called with how many bytes have come.

        Raises:
            GoneError: it is not there.

        """

    def put(self, blob: Blob, content: Path | bytes, *, damaged: bool = False) -> None:
        """Bring a blob there unless it is; whoever reads meanwhile sees all of it or nothing.

        Args:
            blob: what it is.
            content: its bytes, or a file of them.
            damaged: whether what is there has been found to be something else.

        """

    def put_result(self, key: str, data: bytes, blobs: Sequence[Blob]) -> None:
        """Bring there what lies under a key from now on.

        Args:
            key: a digest.
            data: the result.
            blobs: what it tells of, which is there already.

        """
