"""The index of a moving release: SHA256SUMS and, where a key is given, its signatures."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.publish.model import PublishError
from bakery.release import signing, sums
from bakery.upstream.signature import gpg
from bakery.upstream.signature.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakery.publish.channel_steps import Piece, Scratch
    from bakery.publish.model import Publisher, RemoteRelease
    from bakery.release.signing import Signature, SigningKey


class IndexSigner:
    """Writes indexes, and signs them again only when their signatures don't hold."""

    def __init__(self, publisher: Publisher, scratch: Scratch, key: SigningKey | None) -> None:
        self._publisher = publisher
        self._scratch = scratch
        self._key = key
        self._made: dict[bytes, Signature] = {}

    def signed(self, pieces: Iterable[Piece], public: RemoteRelease | None) -> tuple[Piece, ...]:
        """Return files with an index of them: the signatures before it.

        Args:
            pieces: what hosts may fetch.
            public: the release as it is now.

        Raises:
            PublishError: it is signed now, and there is no key to sign with.

        """
        listed = tuple(pieces)
        if self._key:
            listed = (*listed, self._scratch.write(signing.KEYRING, self._key.public))
        data = sums.encode({piece.file.name: piece.file.sha256 for piece in listed})
        index = self._scratch.write(sums.FILE, data)
        return (*listed, *self._signatures(index, data, public), index)

    def _signatures(self, index: Piece, data: bytes, public: RemoteRelease | None) -> list[Piece]:
        if self._key is None:
            if public and public.asset(sums.SIGNATURE):
                raise PublishError(
                    f"{public.tag} is signed so far, and there is no key",
                    why="hosts refuse an index whose signature is gone",
                    fix=f"set {signing.KEY}; or delete {public.tag}/{sums.SIGNATURE} yourself",
                )
            return []
        kept = self._kept(index, data, self._key, public)
        if kept:
            return kept
        if data not in self._made:
            self._made[data] = self._key.sign(data)
        made = self._made[data]
        return [
            self._scratch.write(sums.ARMORED, made.armored),
            self._scratch.write(sums.SIGNATURE, made.binary),
        ]

    def _kept(
        self, index: Piece, data: bytes, key: SigningKey, public: RemoteRelease | None
    ) -> list[Piece]:
        """Return the signatures that are there, if both hold; they need not be the ones we make."""
        if public is None or not index.file.is_stored(public.asset(sums.FILE)):
            return []
        kept = []
        for name in (sums.ARMORED, sums.SIGNATURE):
            stored = public.asset(name)
            if stored is None or not stored.whole:
                return []
            piece = self._scratch.copy(public, stored)
            piece.bring(self._publisher)
            if not _holds(data, piece.file.path.read_bytes(), key.public):
                return []
            kept.append(piece)
        return kept


def _holds(data: bytes, signature: bytes, key: bytes) -> bool:
    with tempfile.TemporaryDirectory(prefix="bakery-seal-") as folder:
        files = [Path(folder) / name for name in ("data", "signature", "key")]
        for path, content in zip(files, (data, signature, key), strict=True):
            path.write_bytes(content)
        try:
            gpg.verify(*files, where=sums.SIGNATURE)
        except SignatureError:
            return False
    return True
