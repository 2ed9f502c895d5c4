"""A published release or channel: small files, which its index vouches for, and keys for that."""

from __future__ import annotations

import hashlib
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from bakery.errors import BakeryError
from bakery.http.retry import Patience
from bakery.http.transport import SourceError, request
from bakery.release import sums
from bakery.release.reader import ReleaseReader

if TYPE_CHECKING:
    from collections.abc import Mapping

_SMALL = 16 << 20  # bytes of an index, a keyring or release.json


class ProvisionError(BakeryError):
    """A machine can't be given what was asked for."""


class Place:
    """What is published at one address.

    Attributes:
        base: the address, without a slash at its end.
        digests: what its index names, by file.

    """

    def __init__(self, base: str, index: bytes, keyring: Path | None) -> None:
        """Take an index for what it says.

        Args:
            base: the address.
            index: the bytes of its SHA256SUMS.
            keyring: public keys, one of which must have signed the index; None asks for none.

        Raises:
            ReleaseError: none of them has.
            ProvisionError: the index can't be read.

        """
        self.base = base
        self._index = index
        if keyring is not None:
            ReleaseReader(base, index).check_signature(keyring)
        try:
            self.digests: Mapping[str, str] = sums.decode(index)
        except ValueError as error:
            raise ProvisionError(
                f"{sums.FILE} can't be read", where=base, why=str(error), fix="publish it again"
            ) from None

    @classmethod
    def find(cls, base: str, keyring: Path | None) -> Place | None:
        """Return what is published at an address; None where nothing is.

        Raises:
            ReleaseError: none of the keys has signed it.
            ProvisionError: it can't be read.

        """
        index = _read(base, sums.FILE)
        return None if index is None else cls(base, index, keyring)

    def read(self, name: str) -> bytes:
        """Return a file, as the index has it.

        Raises:
            ProvisionError: it is missing, or another one.

        """
        data = _read(self.base, name)
        if data is None:
            raise ProvisionError(f"{name} is missing", where=self.base, fix="publish it again")
        digest = hashlib.sha256(data).hexdigest()
        if digest != self.digests.get(name):
            raise ProvisionError(
                f"{name} is not the file that {sums.FILE} names",
                where=self.base,
                why=f"its SHA-256 is {digest}\n{sums.FILE} has {self.digests.get(name)}",
                fix="don't use it, and tell who published it",
            )
        return data

    def signed_by(self, keyring: bytes) -> None:
        """Refuse an index that none of some public keys has signed.

        Raises:
            ReleaseError: none has.

        """
        with tempfile.TemporaryDirectory(prefix="bakery-keys-") as folder:
            file = Path(folder, "keyring")
            file.write_bytes(keyring)
            ReleaseReader(self.base, self._index).check_signature(file)


def _read(base: str, name: str) -> bytes | None:
    """Return a small file; None where there is none."""
    kept = bytearray()
    try:
        with request(f"{base}/{quote(name)}", None, Patience()) as answer:
            while (chunk := answer.read()) and len(kept) <= _SMALL:
                kept += chunk
    except SourceError as error:
        if error.status == HTTPStatus.NOT_FOUND or base.startswith("file:"):
            return None
        raise ProvisionError(
            f"{name} can't be read",
            where=base,
            why=str(error),
            fix="give the folder or the address of a release; `bakery settings` has the usual ones",
        ) from None
    if len(kept) > _SMALL:
        raise ProvisionError(
            f"{name} is too large to be true",
            where=base,
            fix="look whether a release or a channel is there",
        )
    return bytes(kept)
