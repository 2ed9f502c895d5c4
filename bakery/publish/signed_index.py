"""The index of a moving release: SHA256SUMS and, where a key is given, its signatures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bakery.publish.model import PublishError
from bakery.release import signing, sums
from bakery.upstream.signature.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bakery.publish.channel_steps import Piece, Scratch
    from bakery.publish.model import Publisher, RemoteRelease
    from bakery.release.keyring import Keyring
    from bakery.release.signing import Signature, SigningKey


class IndexSigner:
    """Writes indexes, and signs them again only when their signatures or days don't hold.

    Args:
        publisher: where what is signed already is.
        scratch: for files on their way.
        key: signs; None where there is nothing to sign.
        keyring: the keys that hosts are to have; None where nothing is signed.
        valid_days: how many days an index is to be believed.
        pretend: do without signatures where there is no key, to tell what would be done.

    """

    def __init__(
        self,
        publisher: Publisher,
        scratch: Scratch,
        *,
        key: SigningKey | None,
        keyring: Keyring | None,
        valid_days: int,
        pretend: bool,
    ) -> None:
        self._publisher = publisher
        self._scratch = scratch
        self._key = key
        self._keyring = keyring
        self._valid = timedelta(days=valid_days)
        self._pretend = pretend
        self._today = datetime.now(UTC).date()
        self._made: dict[bytes, Signature] = {}

    def signed(self, pieces: Iterable[Piece], public: RemoteRelease | None) -> tuple[Piece, ...]:
        """Return files with an index of them: the signatures before it.

        Args:
            pieces: what hosts may fetch.
            public: the release as it is now.

        Raises:
            PublishError: it must be signed, and there is no key to sign with.

        """
        listed = tuple(pieces)
        if self._keyring is None:
            if public and public.asset(sums.SIGNATURE):
                raise _keyless(public.tag)
            return (*listed, self._scratch.write(sums.FILE, sums.encode(_digests(listed))))
        listed = (*listed, self._scratch.write(signing.KEYRING, self._keyring.data))
        digests = _digests(listed)
        kept = public and self._kept(digests, public, self._keyring)
        return (*listed, *(kept or self._signed_anew(digests, public)))

    def _signed_anew(
        self, digests: Mapping[str, str], public: RemoteRelease | None
    ) -> tuple[Piece, ...]:
        data = sums.encode(digests, self._today + self._valid)
        index = self._scratch.write(sums.FILE, data)
        if self._key is None:
            if not self._pretend:
                raise _keyless(public.tag if public else "a new channel")
            return (index,)
        if data not in self._made:
            self._made[data] = self._key.sign(data)
        made = self._made[data]
        return (
            self._scratch.write(sums.ARMORED, made.armored),
            self._scratch.write(sums.SIGNATURE, made.binary),
            index,
        )

    def _kept(
        self, digests: Mapping[str, str], public: RemoteRelease, keyring: Keyring
    ) -> tuple[Piece, ...]:
        """Return the index and signatures that are there, if they hold for half their time yet.

        The signatures need not be the ones that we would make.
        """
        pieces = self._brought(public)
        if len(pieces) != len(_INDEX):
            return ()
        armored, binary, data = [piece.file.path.read_bytes() for piece in pieces]
        try:
            until = sums.best_before(data)
            if until is None or not self._valid / 2 < until - self._today <= self._valid:
                return ()
            for signature in (armored, binary):
                keyring.check(data, signature, f"{public.tag}/{sums.FILE}")
        except (ValueError, SignatureError):
            return ()
        return pieces if data == sums.encode(digests, until) else ()

    def _brought(self, public: RemoteRelease) -> tuple[Piece, ...]:
        pieces = []
        for name in _INDEX:
            stored = public.asset(name)
            if stored is not None and stored.whole and stored.sha256:
                piece = self._scratch.copy(public, stored)
                piece.bring(self._publisher)
                pieces.append(piece)
        return tuple(pieces)


_INDEX = (sums.ARMORED, sums.SIGNATURE, sums.FILE)


def _digests(pieces: Iterable[Piece]) -> dict[str, str]:
    return {piece.file.name: piece.file.sha256 for piece in pieces}


def _keyless(tag: str) -> PublishError:
    return PublishError(
        f"{tag} must be signed, and there is no key",
        why="hosts refuse an index without a signature that holds for it",
        fix=f"set {signing.KEY}; or, to go without, delete {tag}/{sums.SIGNATURE} yourself\n"
        "and set no keyring",
    )
