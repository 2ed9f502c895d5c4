"""Answers that are none: what they mean, and what to do."""

from __future__ import annotations

import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from bakery.http.address import shown
from bakery.http.retry import RETRY_AFTER_LIMIT, retry_after
from bakery.upstream.errors import NotFoundError, RateLimitError, UpstreamError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

_TRANSIENT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks.

    Attributes:
        value: the secret; None where none is set.
        variable: the environment variable that holds it, for messages.

    """

    value: str | None
    variable: str

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Put the token into a request, as requests' authentication does."""
        if self.value:
            request.headers["Authorization"] = f"Bearer {self.value}"
        return request


def assess(response: Response, token: Token | None) -> tuple[str, float | None]:
    """Return what is wrong, and how many seconds to wait if upstream says, where it may pass.

    Raises:
        RateLimitError: upstream wants no more requests for longer than anybody waits.
        NotFoundError, UpstreamError: trying again would end the same.

    """
    status = response.status_code
    why = f"HTTP {status} {said(response)}".strip()
    broken = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    refused = status == HTTPStatus.FORBIDDEN or status in _TRANSIENT
    wait = asked_to_wait(response) if refused or broken else None
    if wait is not None and wait > RETRY_AFTER_LIMIT:
        raise RateLimitError(
            "upstream wants no more requests for now",
            where=shown(response.url),
            why=f"{why}; it will answer again in {wait / 60:.0f} minutes",
            fix=_set(token, "has a higher limit") or "try again then",
        )
    if wait is not None or status in _TRANSIENT or broken:
        return why, wait
    kind = NotFoundError if status == HTTPStatus.NOT_FOUND else UpstreamError
    raise kind(
        "upstream refuses to answer",
        where=shown(response.url),
        why=why,
        fix=_way_out(status, token),
    )


def said(response: Response) -> str:
    """Return why a request is refused, in the words of the API, or else of its status."""
    try:
        told = msgspec.json.decode(response.content)
        more = [str(error) for error in told.get("errors", [])]
        return ", ".join([told["message"], *more])
    except (ValueError, KeyError, AttributeError, TypeError):
        return response.reason or ""


def asked_to_wait(response: Response) -> float | None:
    """Return for how many seconds upstream wants no request.

    GitHub gives the time of a used-up limit in X-RateLimit-Reset, others in RateLimit-Reset, both
    in seconds since 1970, beside a count of remaining requests.
    """
    headers = response.headers
    wait = retry_after(headers.get("Retry-After"), now=time.time())
    for prefix in ("X-RateLimit-", "RateLimit-"):
        if wait is None and headers.get(f"{prefix}Remaining") == "0":
            with suppress(ValueError):
                wait = max(0.0, float(headers.get(f"{prefix}Reset", "")) - time.time())
    return wait


def _set(token: Token | None, reason: str) -> str | None:
    if token is None or token.value:
        return None
    return f"set {token.variable} to a token: whoever has one {reason}"


def _way_out(status: int, token: Token | None) -> str:
    if status == HTTPStatus.UNAUTHORIZED and token and token.value:
        return f"the token in {token.variable} is not accepted: renew it"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _set(token, "may be let in") or "look at the address and what the token may do"
    return "look whether upstream has moved it, and correct the recipe" + (
        f"; if it is private, give {token.variable} a token that may read it" if token else ""
    )
