"""What is published at one address, a release or a channel, read as its index vouches for it."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from bakery.http import limits
from bakery.http.errors import RequestError, TooLargeError, TransientError
from bakery.registry.files import Files
from bakery.release import document, sums
from bakery.release.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import date
    from pathlib import Path

    from bakery.release.document import ReleaseDocument

_DONT = "don't use it, and tell who published it"
_WHOLE = "give the address or folder of a whole release or channel"


class FileSource(Protocol):
    """Reads files by their addresses, as `Client` does."""

    def copy(self, url: str, write: Callable[[bytes], object], *, size: int) -> int:
        """Hand on a file's bytes, and return how many there are.

        Raises:
            RequestError: it can't be read, or has more bytes than `size`.

        """

    def read_dated(self, url: str, *, size: int) -> tuple[bytes, datetime | None]:
        """Return a file's bytes, and when it was changed last, as far as that is said.

        Raises:
            RequestError: as `copy`.

        """


class ReleaseReader:
    """Reads the files at one address, each of which must be what the index there names.

    Attributes:
        base: the address, without a slash at its end.
        index: the bytes of SHA256SUMS.
        digests: what it names, by file.
        modified: when the index was changed last, as who serves it says; None if nobody does.

    """

    def __init__(
        self, base: str, index: bytes, client: FileSource, modified: datetime | None = None
    ) -> None:
        """Take an index for what it says; whether it is signed is another question.

        Args:
            base: the address.
            index: the bytes of its SHA256SUMS.
            client: asks for the files.
            modified: when it was changed last.

        Raises:
            ReleaseError: the index can't be read, or is out of date.

        """
        self.base = base
        self.modified = modified
        self.index = index
        self._client = client
        self._kept: dict[str, bytes] = {}
        self._document: ReleaseDocument | None = None
        self._signed: dict[tuple[bytes | Path, str], int] = {}
        try:
            self.digests: Mapping[str, str] = sums.decode(index)
            best_before = sums.best_before(index)
        except ValueError as error:
            raise ReleaseError(
                f"{sums.FILE} can't be read",
                where=f"{base}/{sums.FILE}",
                why=str(error),
                fix=_DONT,
            ) from None
        if best_before is not None:
            _refuse_expired(base, best_before)

    @classmethod
    def open(cls, base: str, client: FileSource | None = None) -> ReleaseReader:
        """Return the reader of what is published at an address (http, https, file or oci).

        Args:
            base: the address, without a slash at its end.
            client: asks; None for the usual retries and limits.

        Raises:
            ReleaseError: nothing is, or its index can't be read or is out of date.

        """
        client = client or Files()
        with _explained(base, sums.FILE):
            data, modified = client.read_dated(f"{base}/{sums.FILE}", size=limits.DOCUMENT)
        return cls(base, data, client, modified)

    @classmethod
    def find(cls, base: str, client: FileSource | None = None) -> ReleaseReader | None:
        """Return the reader of what is published at an address; None where nothing is.

        Raises:
            ReleaseError: there is no answer, or the index can't be read or is out of date.

        """
        try:
            return cls.open(base, client)
        except _NotThereError:
            return None

    def check_signature(self, keyring: Path) -> int:
        """Refuse an index that none of some public keys, armored or not, has signed.

        Return the signature's bytes.

        Raises:
            ReleaseError: there is no signature by one of them.
            MissingToolError: gpg is not installed.

        """
        if not keyring.is_file():
            raise ReleaseError(
                "there is no such keyring",
                where=str(keyring),
                fix="name one with --keyring FILE, or give --unsigned",
            )
        return self.signed_by(keyring)

    def signature(self) -> bytes:
        """Return the signature of the index, whoever has made it.

        Raises:
            ReleaseError: there is none.

        """
        return self._small(sums.SIGNATURE)

    def signed_by(self, keys: bytes | Path, name: str = sums.SIGNATURE) -> int:
        """Refuse an index that none of some public keys has signed; return the signature's bytes.

        Args:
            keys: the keys, armored or not.
            name: the file that has the signature.

        Raises:
            ReleaseError: none has.
            MissingToolError: gpg is not installed.

        """
        if (keys, name) not in self._signed:
            self._signed[keys, name] = self._signature(keys, name)
        return self._signed[keys, name]

    def _signature(self, keys: bytes | Path, name: str) -> int:
        from bakery.upstream.signature import gpg
        from bakery.upstream.signature.errors import SignatureError

        signature = self._small(name)
        where = f"{self.base}/{name}"
        try:
            gpg.verify_bytes(self.index, signature, keys, where=where)
        except SignatureError as error:
            raise ReleaseError(
                f"the signature of {sums.FILE} does not hold",
                where=error.where,
                why=error.why,
                fix=_DONT,
            ) from None
        return len(signature)

    def read(self, name: str) -> bytes:
        """Return a small file, which is asked for once.

        Raises:
            ReleaseError: it is missing, too large, or not what the index names.

        """
        data = self._small(name)
        self._compare(name, hashlib.sha256(data).hexdigest())
        return data

    def beside(self, name: str) -> bytes | None:
        """Return a small file that the index does not name; None where there is none.

        Raises:
            ReleaseError: it can't be read.

        """
        try:
            return self._small(name)
        except _NotThereError:
            return None

    def _small(self, name: str) -> bytes:
        if name not in self._kept:
            data = bytearray()
            with _explained(self.base, name):
                url = f"{self.base}/{quote(name)}"
                self._client.copy(url, data.extend, size=limits.DOCUMENT)
            self._kept[name] = bytes(data)
        return self._kept[name]

    def forget(self) -> None:
        """Let go of all small files, which are asked for again when they are needed."""
        self._kept.clear()

    def check(self, name: str, expected: int | None = None) -> int:
        """Read a file to its end, keeping nothing, and return its bytes.

        Args:
            name: the file.
            expected: how many bytes it may have; None for what any small file may.

        Raises:
            ReleaseError: it is missing, too large, or not what the index names.

        """
        if name in self._kept:
            return len(self.read(name))
        digest = hashlib.sha256()
        most = limits.DOCUMENT if expected is None else expected
        with _explained(self.base, name, expected):
            size = self._client.copy(f"{self.base}/{quote(name)}", digest.update, size=most)
        self._compare(name, digest.hexdigest())
        return size

    def document(self) -> ReleaseDocument:
        """Return what release.json says, which is read once.

        Raises:
            ReleaseError: it is missing, not what the index names, or does not follow its schema.

        """
        if self._document is not None:
            return self._document
        data = self.read(document.FILE)
        try:
            self._document = document.decode(data)
        except ValueError as error:
            raise ReleaseError(
                f"{document.FILE} does not follow its schema",
                where=f"{self.base}/{document.FILE}",
                why=str(error),
                fix="compare it with: bakery schema release",
            ) from None
        return self._document

    def _compare(self, name: str, digest: str) -> None:
        listed = self.digests.get(name)
        if digest != listed:
            why = f"its SHA-256 is {digest}\n{sums.FILE} has {listed or 'none'}"
            raise _altered(self.base, name, why)


def _refuse_expired(base: str, best_before: date) -> None:
    """Refuse a list that is out of date, as systemd-sysupdate 260 and newer do."""
    now = datetime.now(UTC)
    if now.date() >= best_before:
        raise ReleaseError(
            f"{sums.FILE} is out of date",
            where=f"{base}/{sums.FILE}",
            why=f"it was to be believed until {best_before} (UTC), and it is {now:%F %H:%M};\n"
            "nobody has renewed it, or somebody serves an old one to hide newer versions",
            fix="see that this computer's clock is right; else tell who publishes:\n"
            "`doit channel` renews it",
        )


class _NotThereError(ReleaseError):
    """There is no such file."""


@contextmanager
def _explained(base: str, name: str, expected: int | None = None) -> Iterator[None]:
    """Explain why a file can't be read; `expected` is its size in bytes, where that is known."""
    url = f"{base}/{quote(name)}"
    try:
        yield
    except TooLargeError as error:
        if expected is not None:
            why = f"it has more than the {expected} bytes that are told of it"
            raise _altered(base, name, why) from None
        raise ReleaseError(
            f"{name} is too large to be true", where=url, why=str(error), fix=_DONT
        ) from None
    except RequestError as error:
        missing = error.status == HTTPStatus.NOT_FOUND
        raise (_NotThereError if missing else ReleaseError)(
            f"{name} can't be read",
            where=url,
            why=str(error),
            fix=_way_out(error, name),
        ) from None


def _way_out(error: RequestError, name: str) -> str:
    if isinstance(error, TransientError):
        return "check the address, the network and the proxy (HTTPS_PROXY), and run it again"
    if name == sums.SIGNATURE:
        return "who publishes must set BAKERY_SIGNING_KEY; else ask for no signature"
    return _WHOLE


def _altered(base: str, name: str, why: str) -> ReleaseError:
    return ReleaseError(
        f"{name} is not the file that {sums.FILE} names",
        where=f"{base}/{name}",
        why=why,
        fix="download it again; if that does not help, don't use it and tell who published",
    )
