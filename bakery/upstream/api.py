"""Web APIs that list versions: conditional requests, pages, tokens, rate limits.

Answers are kept with their ETags, so that asking again costs a `304 Not Modified` (RFC 9110, 13.1)
where nothing is new; GitHub does not count those against the limit of a token.
"""

from __future__ import annotations

import datetime as dt
import os
from contextlib import contextmanager, suppress
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from bakery.decoding import from_json
from bakery.http.address import mirrored, shown
from bakery.http.client import IDENTITY, Client, pages
from bakery.http.errors import RateLimitedError, RefusedError, RequestError, TransientError
from bakery.http.ranges import number
from bakery.upstream.errors import NotFoundError, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    from requests import Response

    from bakery.http.credentials import Token
    from bakery.settings import Settings

_T = TypeVar("_T")


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
        environment: Mapping[str, str] = os.environ,
        client: Client | None = None,
    ) -> None:
        from bakery.http import remembered

        self.settings = settings
        self.environment = environment
        self._answers = settings.store / "answers.sqlite"
        with self._kept():
            settings.store.mkdir(parents=True, exist_ok=True)
            self._session = remembered.session(self._answers)
        self._client = replace(client or Client(), session=self._session)

    def __enter__(self) -> Self:
        """Return itself; at the end of the block it is closed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file of answers."""
        self._session.cache.close()  # type: ignore[no-untyped-call]

    def get(
        self, url: str, *, token: Token | None = None, accept: str = "*/*", direct: bool = False
    ) -> Response:
        """Return what an address answers, perhaps from an earlier run if it is still the same.

        Args:
            url: upstream's address; a mirror, if one is set, is asked in its place.
            token: who asks; other servers than its own aren't told.
            accept: the wanted media types.
            direct: the mirror does not serve this.

        Raises:
            UpstreamError: it wants no more requests for now.
            UpstreamError: it does not answer, or with an error.

        """
        return self._answer("GET", url, token, {"Accept": accept}, direct=direct)

    def size(self, url: str, *, direct: bool = False) -> int | None:
        """Return how many bytes a file has, None where the server does not tell.

        Args:
            url: upstream's address; a mirror, if one is set, is asked in its place.
            direct: the mirror does not serve this.

        Raises:
            NotFoundError: there is no such file.
            UpstreamError: as `get`.

        """
        response = self._answer("HEAD", url, None, IDENTITY, direct=direct)
        return number(response.headers.get("Content-Length"))

    def post(self, url: str, document: Any) -> Response:
        """Return the answer to a question that is asked in JSON.

        Raises:
            UpstreamError: as `get`.

        """
        headers = {"Accept": "application/json"}
        return self._answer("POST", url, None, headers, direct=False, json=document)

    def pages(self, url: str, *, token: Token | None = None, accept: str) -> Iterator[Response]:
        """Yield an answer and those that its `Link: rel="next"` leads to (RFC 8288).

        Raises:
            UpstreamError: as `get`, or the pages don't end.

        """
        try:
            yield from pages(lambda page: self.get(page, token=token, accept=accept), url)
        except RefusedError as error:
            raise UpstreamError(
                "upstream's list of versions does not end",
                where=shown(url),
                why=str(error),
                fix="look at the address: something else than the API may answer",
            ) from None

    def decoded(self, response: Response, kind: type[_T]) -> _T:
        """Return an answer's JSON as a value of a type.

        Raises:
            UpstreamError: it is something else.

        """
        try:
            return from_json(response.content, kind)
        except ValueError as error:
            raise UpstreamError(
                "upstream answers with something else than its API's documentation says",
                where=shown(response.url),
                why=f"{error}\nit begins with {response.content[:60]!r}",
                fix="look whether a proxy or a login page answered, or the API has changed",
            ) from None

    def _answer(
        self,
        method: str,
        url: str,
        token: Token | None,
        headers: Mapping[str, str],
        *,
        direct: bool,
        **content: Any,
    ) -> Response:
        if self.settings.offline:
            raise UpstreamError(
                "what upstream publishes is not known offline",
                where=shown(url),
                fix="run without BAKERY_OFFLINE",
            )
        source = url if direct else self._source(url)
        try:
            with self._kept():
                return self._client.request(method, source, token=token, headers=headers, **content)
        except RequestError as error:
            raise _in_words(error, source, token) from error

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
        mirror = self.settings.mirror_of_addresses
        return url if mirror is None or url.startswith(f"{mirror}/") else mirrored(url, mirror)


def day(text: str) -> dt.date | None:
    """Return the date (ISO 8601) that a text begins with, if it does."""
    with suppress(ValueError):
        return dt.date.fromisoformat(text[:10])
    return None


def _in_words(error: RequestError, source: str, token: Token | None) -> UpstreamError:
    where, why = shown(source), str(error)
    has_limit = _token(token, "has a higher limit")
    if isinstance(error, RateLimitedError):
        fix = has_limit or "try again then"
        return UpstreamError(
            "upstream wants no more requests for now", where=where, why=why, fix=fix
        )
    if isinstance(error, TransientError):
        fix = "check the network and the proxy (HTTPS_PROXY), or try again later"
        return UpstreamError("upstream does not answer", where=where, why=why, fix=fix)
    if error.status is None:
        fix = "check the address, the network and the proxy (HTTPS_PROXY)"
        return UpstreamError("upstream can't be asked", where=where, why=why, fix=fix)
    kind = NotFoundError if error.status == HTTPStatus.NOT_FOUND else UpstreamError
    fix = _way_in(error.status, token)
    return kind("upstream refuses to answer", where=where, why=why, fix=fix)


def _token(token: Token | None, reason: str) -> str | None:
    if token is None or token.value:
        return None
    return f"set {token.variable} to a token: whoever has one {reason}"


def _way_in(status: int, token: Token | None) -> str:
    if status == HTTPStatus.UNAUTHORIZED and token and token.value:
        return f"the token in {token.variable} is not accepted: renew it"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _token(token, "may be let in") or "look at the address and what the token may do"
    return "look whether upstream has moved it, and correct the recipe" + (
        f"; if it is private, give {token.variable} a token that may read it" if token else ""
    )
