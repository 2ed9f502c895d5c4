"""What is published at one address, a release or a channel, read as its index vouches for it."""

from __future__ import annotations

import hashlib
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from bakery.http.retry import Patience
from bakery.http.transport import SourceError, request
from bakery.release import document, sums
from bakery.release.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bakery.release.document import ReleaseDocument

_SMALL = 16 << 20  # bytes of an index, a signature, a keyring or release.json
_DONT = "don't use it, and tell who published it"
_WHOLE = "give the address or folder of a whole release or channel"


class ReleaseReader:
    """Reads the files at one address, each of which must be what the index there names.

    Attributes:
        base: the address, without a slash at its end.
        index: the bytes of SHA256SUMS.
        digests: what it names, by file.

    """

    def __init__(self, base: str, index: bytes) -> None:
        """Take an index for what it says; whether it is signed is another question.

        Raises:
            ReleaseError: the index can't be read.

        """
        self.base = base
        self.index = index
        try:
            self.digests: Mapping[str, str] = sums.decode(index)
        except ValueError as error:
            raise ReleaseError(
                f"{sums.FILE} can't be read",
                where=f"{base}/{sums.FILE}",
                why=str(error),
                fix=_DONT,
            ) from None

    @classmethod
    def open(cls, base: str) -> ReleaseReader:
        """Return the reader of what is published at an address (http, https or file).

        Raises:
            ReleaseError: nothing is, or its index can't be read.

        """
        return cls(base, _small(base, sums.FILE))

    @classmethod
    def find(cls, base: str) -> ReleaseReader | None:
        """Return the reader of what is published at an address; None where nothing is.

        Raises:
            ReleaseError: there is no answer, or the index can't be read.

        """
        index = _index(base)
        return None if index is None else cls(base, index)

    def check_signature(self, keyring: Path) -> int:
        """Refuse an index that none of some keys has signed; return the signature's bytes.

        Args:
            keyring: public keys, armored or not.

        Raises:
            ReleaseError: there is no signature by one of them.
            MissingToolError: gpg is not installed.

        """
        from bakery.upstream.signature import gpg
        from bakery.upstream.signature.errors import SignatureError

        if not keyring.is_file():
            raise ReleaseError(
                "there is no such keyring",
                where=str(keyring),
                fix="name one with --keyring FILE, or give --unsigned",
            )
        signature = _small(self.base, sums.SIGNATURE)
        with tempfile.TemporaryDirectory(prefix="bakery-verify-") as scratch:
            signed, detached = Path(scratch, sums.FILE), Path(scratch, sums.SIGNATURE)
            signed.write_bytes(self.index)
            detached.write_bytes(signature)
            try:
                gpg.verify(signed, detached, keyring, where=f"{self.base}/{sums.SIGNATURE}")
            except SignatureError as error:
                raise ReleaseError(
                    f"the signature of {sums.FILE} does not hold",
                    where=error.where,
                    why=error.why,
                    fix=_DONT,
                ) from None
        return len(signature)

    def signed_by(self, keys: bytes) -> None:
        """Refuse an index that none of some public keys has signed.

        Raises:
            ReleaseError: none has.

        """
        with tempfile.TemporaryDirectory(prefix="bakery-keys-") as folder:
            keyring = Path(folder, "keyring")
            keyring.write_bytes(keys)
            self.check_signature(keyring)

    def read(self, name: str) -> bytes:
        """Return a small file.

        Raises:
            ReleaseError: it is missing, too large, or not what the index names.

        """
        data = _small(self.base, name)
        self._compare(name, hashlib.sha256(data).hexdigest())
        return data

    def check(self, name: str) -> int:
        """Read a file to its end, keeping nothing, and return its bytes.

        Raises:
            ReleaseError: it is missing, or not what the index names.

        """
        digest, size, _ = _hashed(self.base, name, keep=False)
        self._compare(name, digest)
        return size

    def document(self) -> ReleaseDocument:
        """Return what release.json says.

        Raises:
            ReleaseError: it is missing, not what the index names, or does not follow its schema.

        """
        data = self.read(document.FILE)
        try:
            return document.decode(data)
        except ValueError as error:
            raise ReleaseError(
                f"{document.FILE} does not follow its schema",
                where=f"{self.base}/{document.FILE}",
                why=str(error),
                fix="compare it with: bakery schema release",
            ) from None

    def _compare(self, name: str, digest: str) -> None:
        listed = self.digests.get(name)
        if digest != listed:
            raise ReleaseError(
                f"{name} is not the file that {sums.FILE} names",
                where=f"{self.base}/{name}",
                why=f"its SHA-256 is {digest}\n{sums.FILE} has {listed or 'none'}",
                fix="download it again; if that does not help, don't use it and tell who published",
            )


def _index(base: str) -> bytes | None:
    try:
        return _small(base, sums.FILE)
    except _NotThereError:
        return None


class _NotThereError(ReleaseError):
    """There is no such file."""


def _small(base: str, name: str) -> bytes:
    _, _, data = _hashed(base, name, keep=True)
    return data


def _hashed(base: str, name: str, *, keep: bool) -> tuple[str, int, bytes]:
    """Return a file's digest, its size, and its bytes if they are to be kept."""
    url = f"{base}/{quote(name)}"
    digest = hashlib.sha256()
    size = 0
    kept = bytearray()
    try:
        with request(url, None, Patience()) as answer:
            while chunk := answer.read():
                digest.update(chunk)
                size += len(chunk)
                if keep:
                    kept += chunk
                    if len(kept) > _SMALL:
                        raise ReleaseError(f"{name} is too large to be true", where=url, fix=_DONT)
            if answer.total not in (None, size):
                raise ReleaseError(
                    f"the download of {name} ended too early", where=url, fix="try again"
                )
    except SourceError as error:
        raise _unreadable(url, name, error) from None
    return digest.hexdigest(), size, bytes(kept)


def _unreadable(url: str, name: str, error: SourceError) -> ReleaseError:
    missing = error.status == HTTPStatus.NOT_FOUND or url.startswith("file:")
    unsigned = "who publishes must set BAKERY_SIGNING_KEY; else ask for no signature"
    return (_NotThereError if missing else ReleaseError)(
        f"{name} can't be read",
        where=url,
        why=str(error),
        fix=unsigned if name == sums.SIGNATURE else _WHOLE,
    )
