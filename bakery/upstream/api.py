"""Web APIs that list versions: conditional requests, pages, tokens, rate limits.

Answers are kept with their ETags, so that asking again costs a `304 Not Modified` (RFC 9110, 13.1)
where nothing is new; GitHub does not count those against the limit of a token.
"""

from __future__ import annotations

import datetime as dt
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import msgspec

from bakery.http.address import joined, mirrored, shown, split
from bakery.http.causes import explain, is_permanent
from bakery.http.retry import Patience
from bakery.upstream.errors import UpstreamError
from bakery.upstream.refusal import assess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    from requests import Response

    from bakery.settings import Settings
    from bakery.upstream.refusal import Token

_T = TypeVar("_T")
_PAGES = 100
_IDENTITY = {"Accept-Encoding": "identity"}  # sizes are of the file, not of a coding of it


class Api:
    """Asks web APIs, and remembers their answers from run to run. Safe for several threads.

    Attributes:
        settings: for mirrors, and the store that keeps the answers.
        environment: where tokens and the addresses of APIs are looked for.

    """

    def __init__(
        self,
        settings: Settings,
        *,
        environment: Mapping[str, str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        from requests_cache import (
            EXPIRE_IMMEDIATELY,
            CachedSession,
        )
        from requests_cache.backends.sqlite import SQLiteCache

        self.settings = settings
        self.environment = os.environ if environment is None else environment
        self._patience = patience or Patience()
        self._answers = settings.store / "answers.sqlite"
        with self._kept():
            settings.store.mkdir(parents=True, exist_ok=True)
            self._session = CachedSession(
                backend=SQLiteCache(self._answers, serializer="json"),
                allowable_methods=("GET",),
                expire_after=EXPIRE_IMMEDIATELY,  # kept if it has an ETag or date, to ask with it
            )
        self._session.headers["User-Agent"] = "sysext-bakery"

    def __enter__(self) -> Self:
        """Return itself; at the end of the block it is closed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close connections and the file of answers."""
        self._session.close()  # type: ignore[no-untyped-call]

    def get(
        self, url: str, *, token: Token | None = None, accept: str = "*/*", direct: bool = False
    ) -> Response:
        """Return what an address answers, perhaps from an earlier run if it is still the same.

        Args:
            url: upstream's address; a mirror, if one is set, is asked in its place.
            token: who asks; mirrors aren't told.
            accept: the wanted media types.
            direct: the mirror does not serve this.

        Raises:
            RateLimitError: it wants no more requests for now.
            UpstreamError: it does not answer, or with an error.

        """
        return self._answer("GET", url, token=token, accept=accept, direct=direct)

    def size(self, url: str, *, direct: bool = False) -> int | None:
        """Return how many bytes a file has, None where the server does not tell.

        Args:
            url: upstream's address; a mirror, if one is set, is asked in its place.
            direct: the mirror does not serve this.

        Raises:
            NotFoundError: there is no such file.
            UpstreamError: as `get`.

        """
        response = self._answer("HEAD", url, direct=direct)
        length = response.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None

    def _answer(
        self,
        method: str,
        url: str,
        *,
        token: Token | None = None,
        accept: str = "*/*",
        direct: bool,
    ) -> Response:
        if self.settings.offline:
            raise UpstreamError(
                "what upstream publishes is not known offline",
                where=shown(url),
                fix="run without BAKERY_OFFLINE",
            )
        source = url if direct else self._source(url)
        if source != url:
            token = None
        failures = 0
        while True:
            wait = None
            try:
                response = self._request(method, source, token, accept)
            except _LostError as error:
                problem = str(error)
            else:
                if response.ok:
                    return response
                problem, wait = assess(response, token)
            failures += 1
            if failures >= self._patience.tries:
                raise UpstreamError(
                    "upstream does not answer",
                    where=shown(source),
                    why=f"{problem} (after {failures} tries)",
                    fix="check the network and the proxy (HTTPS_PROXY), or try again later",
                )
            self._patience.wait(failures, wait)

    def pages(self, url: str, *, token: Token | None = None, accept: str) -> Iterator[Response]:
        """Yield an answer and those that its `Link: rel="next"` leads to (RFC 8288).

        Raises:
            UpstreamError: as `get`, or the pages don't end.

        """
        following = url
        for _ in range(_PAGES):
            response = self.get(following, token=token, accept=accept)
            yield response
            link = response.links.get("next", {}).get("url")
            if link is None:
                return
            following = joined(response.url, link)
            if token is not None and split(following).netloc != split(url).netloc:
                token = None
        raise UpstreamError(
            "upstream's list of versions does not end",
            where=shown(url),
            why=f"{_PAGES} pages read",
            fix="look at the address: something else than the API may answer",
        )

    def decoded(self, response: Response, kind: type[_T]) -> _T:
        """Return an answer's JSON as a value of a type.

        Raises:
            UpstreamError: it is something else.

        """
        try:
            return msgspec.json.decode(response.content, type=kind)
        except (ValueError, RecursionError) as error:
            raise UpstreamError(
                "upstream answers with something else than its API's documentation says",
                where=shown(response.url),
                why=f"{error}\nit begins with {response.content[:60]!r}",
                fix="look whether a proxy or a login page answered, or the API has changed",
            ) from None

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Explain why answers can't be kept, where they can't."""
        import sqlite3

        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise UpstreamError(
                "what upstream answers can't be kept",
                where=str(self._answers),
                why=str(error),
                fix="look at the folder and the space left on its disk; the file may be removed",
            ) from error

    def _source(self, url: str) -> str:
        mirror = self.settings.mirror
        return url if mirror is None or url.startswith(f"{mirror}/") else mirrored(url, mirror)

    def _request(self, method: str, source: str, token: Token | None, accept: str) -> Response:
        from requests.exceptions import (
            ChunkedEncodingError,
            ConnectionError,  # noqa: A004  requests' own
            RequestException,
            Timeout,
        )

        with self._kept():
            try:
                return self._session.request(
                    method,
                    source,
                    headers={"Accept": accept, **({} if method == "GET" else _IDENTITY)},
                    auth=token if token and token.value else None,
                    timeout=(self._patience.connect, self._patience.stall),
                )
            except (ConnectionError, Timeout, ChunkedEncodingError) as error:
                if not is_permanent(error):
                    raise _LostError(explain(error)) from error
                raise _unreachable(source, explain(error)) from error
            except RequestException as error:  # its text may show secrets of the address
                raise _unreachable(source, type(error).__name__) from error
            except OSError as error:  # certificates that REQUESTS_CA_BUNDLE names are not there
                raise _unreachable(source, str(error)) from error


def day(text: str) -> dt.date | None:
    """Return the date (ISO 8601) that a text begins with, if it does."""
    with suppress(ValueError):
        return dt.date.fromisoformat(text[:10])
    return None


class _LostError(Exception):
    """The connection failed in a way that another try may mend."""


def _unreachable(source: str, why: str) -> UpstreamError:
    return UpstreamError(
        "upstream can't be asked",
        where=shown(source),
        why=why,
        fix="check the address, the network and the proxy (HTTPS_PROXY)",
    )
