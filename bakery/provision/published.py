"""Read a published release or channel: its index, and small files with the digests in that."""

from __future__ import annotations

import hashlib
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from bakery.http.client import Client
from bakery.http.errors import RequestError, TooLargeError
from bakery.provision.errors import ProvisionError
from bakery.release import sums
from bakery.release.verify import check_signature

if TYPE_CHECKING:
    from collections.abc import Mapping


class PublishedFolder:
    """A release or a channel at one address.

    Attributes:
        base: the address, without a slash at its end.
        digests: the SHA-256 of every file in its index, by name.

    """

    def __init__(self, base: str, index: bytes, keyring: Path | None) -> None:
        """Parse and verify an index.

        Args:
            base: the address.
            index: the bytes of its SHA256SUMS.
            keyring: public keys, one of which must have signed the index; None asks for none.

        Raises:
            VerifyError: none of the keys has signed it.
            ProvisionError: the index can't be parsed.

        """
        self.base = base
        self._index = index
        if keyring is not None:
            check_signature(base, index, keyring)
        try:
            self.digests: Mapping[str, str] = sums.decode(index)
        except ValueError as error:
            raise ProvisionError(
                f"{sums.FILE} can't be read", where=base, why=str(error), fix="publish it again"
            ) from None

    @classmethod
    def open(cls, base: str, keyring: Path | None) -> PublishedFolder | None:
        """Read the index at an address; return None if there is none.

        Raises:
            VerifyError: none of the keys has signed it.
            ProvisionError: it can't be downloaded or parsed.

        """
        index = _read(base, sums.FILE)
        return None if index is None else cls(base, index, keyring)

    def read(self, name: str) -> bytes:
        """Return a small file, and verify its digest.

        Raises:
            ProvisionError: it is missing, can't be downloaded, or has another digest.

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

    def require_signature(self, keyring: bytes) -> None:
        """Verify the index with a keyring.

        Raises:
            VerifyError: none of its keys has signed the index.

        """
        with tempfile.TemporaryDirectory(prefix="bakery-keys-") as folder:
            file = Path(folder, "keyring")
            file.write_bytes(keyring)
            check_signature(self.base, self._index, file)


def _read(base: str, name: str) -> bytes | None:
    """Return a small file, or None if there is none."""
    try:
        return Client().read(f"{base}/{quote(name)}")
    except TooLargeError:
        raise ProvisionError(
            f"{name} is too large to be true",
            where=base,
            fix="look whether a release or a channel is there",
        ) from None
    except RequestError as error:
        if error.status == HTTPStatus.NOT_FOUND or base.startswith("file:"):
            return None
        raise ProvisionError(
            f"{name} can't be read",
            where=base,
            why=str(error),
            fix="give the folder or the address of a release; `bakery settings` has the usual ones",
        ) from None
