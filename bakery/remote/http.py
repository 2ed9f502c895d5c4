"""A shared cache on a web server that takes PUT, laid out as bazel-remote's: cas/DIGEST, ac/KEY."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from bakery.http.address import shown, split
from bakery.http.client import Client
from bakery.http.errors import RequestError
from bakery.http.limits import Limits
from bakery.http.retry import RetryPolicy
from bakery.remote.model import LARGEST_RESULT, GoneError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from bakery.remote.model import Blob


def hasty() -> Client:
    """Return a client that soon gives up: a cache is to save time, so nobody waits long for it."""
    return Client(
        retry=RetryPolicy(tries=2, first=0.5, longest=2, jitter=0.5),
        limits=Limits(connect=5, stall=15, least_speed=64 << 10, window=15),
    )


@dataclass(frozen=True)
class HttpRemote:
    """A web server.

    Attributes:
        address: what stands before `/ac/` and `/cas/`; may have a login, else ~/.netrc does.
        client: asks.

    """

    address: str
    client: Client = field(default_factory=hasty)

    @property
    def name(self) -> str:
        """Its host and path."""
        return shown(self.address).partition("://")[2]

    def result(self, key: str) -> bytes | None:
        """Return what lies under a key; None where nothing does."""
        with _unless_missing():
            answer = self.client.request("GET", self._at("ac", key), size=LARGEST_RESULT)
            return bytes(answer.content)
        return None

    def fetch(self, blob: Blob, target: Path, advance: Callable[[int], object]) -> None:
        """Write a blob to a file."""
        with target.open("wb") as file:

            def write(block: bytes) -> None:
                file.write(block)
                advance(len(block))

            with _unless_missing():
                self.client.copy(self._at("cas", blob.sha256), write, size=blob.size)
                return
        raise GoneError(blob)

    def put(self, blob: Blob, content: Path | bytes, *, damaged: bool = False) -> None:
        """Bring a blob there unless it is."""
        if not damaged and self._has(blob):
            return
        url = self._at("cas", blob.sha256)
        if isinstance(content, bytes):
            self._put(url, content)
        else:
            with content.open("rb") as file:
                self._put(url, file)

    def put_result(self, key: str, data: bytes, blobs: Sequence[Blob]) -> None:  # noqa: ARG002
        """Bring there what lies under a key from now on."""
        self._put(self._at("ac", key), data)

    def _has(self, blob: Blob) -> bool:
        with _unless_missing():
            answer = self.client.request("HEAD", self._at("cas", blob.sha256))
            return answer.headers.get("Content-Length", str(blob.size)) == str(blob.size)
        return False

    def _at(self, kind: str, digest: str) -> str:
        parts = split(self.address)
        return parts._replace(path=f"{parts.path.rstrip('/')}/{kind}/{digest}").geturl()

    def _put(self, url: str, data: bytes | BinaryIO) -> None:
        try:
            self.client.request("PUT", url, data=data)
        except RequestError as error:
            if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
                raise RemoteError("it takes no PUT") from error
            raise


@contextmanager
def _unless_missing() -> Iterator[None]:
    """Go on behind the block where the server has nothing of that name."""
    try:
        yield
    except RequestError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
