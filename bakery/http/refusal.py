"""What an HTTP status other than success means for whoever asked."""

from __future__ import annotations

import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from bakery.characters import visible
from bakery.http.errors import RateLimitedError, RefusedError, RequestError, TransientError
from bakery.http.retry import RETRY_AFTER_LIMIT, retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import Response

_TRANSIENT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


def refusal(response: Response, body: bytes = b"") -> RequestError:
    """Return the error that an answer is.

    Args:
        response: an answer that is no success.
        body: what it says; APIs explain themselves in JSON, with `message`, `errors` or both.

    """
    status = response.status_code
    said, codes = _said(body)
    why = visible(f"HTTP {status} {said or response.reason or ''}".strip())
    broken = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    # GitHub answers 403 with a time to wait where others answer 429.
    throttled = status == HTTPStatus.FORBIDDEN or status in _TRANSIENT
    wait = _asked_to_wait(response.headers) if throttled or broken else None
    if wait is not None and wait > RETRY_AFTER_LIMIT:
        why += f"; it will answer again in {wait / 60:.0f} minutes"
        return RateLimitedError(why, status=status, wait=wait)
    passing = wait is not None or status in _TRANSIENT or broken
    kind = TransientError if passing else RefusedError
    challenge = response.headers.get("WWW-Authenticate")
    return kind(why, status=status, wait=wait, codes=codes, challenge=challenge)


def _said(body: bytes) -> tuple[str, tuple[str, ...]]:
    """Return why a request is refused, in the words of an API, and its codes for it."""
    try:
        told = msgspec.json.decode(body)
        errors: list[Any] = told.get("errors") or []
        first = [told["message"]] if "message" in told or not errors else []
        said = " ".join(", ".join([*first, *map(_sentence, errors)]).split())
        codes = (error.get("code") for error in errors if isinstance(error, dict))
        return said, tuple(code for code in codes if isinstance(code, str))
    except (ValueError, RecursionError, KeyError, AttributeError, TypeError):
        return "", ()


def _sentence(error: Any) -> str:
    """Return one of an API's reasons: GitHub's are objects, mostly of `code` and `field`."""
    if not isinstance(error, dict):
        return str(error)
    words = (error.get(key) for key in ("resource", "field", "code"))
    return str(error.get("message") or " ".join(str(word) for word in words if word))


def _asked_to_wait(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds the server wants no request.

    GitHub gives the time of a used-up limit in X-RateLimit-Reset, GitLab in RateLimit-Reset, both
    in seconds since 1970, beside a count of remaining requests.
    """
    wait = retry_after(headers.get("Retry-After"))
    for prefix in ("X-RateLimit-", "RateLimit-"):
        if wait is None and headers.get(f"{prefix}Remaining") == "0":
            with suppress(ValueError):
                wait = max(0.0, float(headers.get(f"{prefix}Reset", "")) - time.time())
    return wait
