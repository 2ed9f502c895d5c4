"""One request and its answer, within limits, by the connections that a process shares."""

from __future__ import annotations

import functools
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

from bakery.http.address import joined, shown, split
from bakery.http.causes import explain, is_permanent, is_untrusted, refused_by_proxy
from bakery.http.credentials import login
from bakery.http.errors import RefusedError, RequestError, TransientError, UntrustedError
from bakery.http.limits import BoundedBody, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import Response, Session

    from bakery.http.credentials import Token

_CONNECTIONS = 64  # to one host; more than ever are in use at once
_REDIRECTS = {("http", "http"), ("http", "https"), ("https", "https")}


@functools.cache
def shared() -> Session:
    """Return the session of this process. It keeps no cookies, and may be used by threads."""
    import requests

    from bakery.http.deadline import Adapter

    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter(pool_maxsize=_CONNECTIONS))
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def send(
    session: Session,
    method: str,
    url: str,
    *,
    token: Token | None,
    headers: Mapping[str, str],
    limits: Limits,
    size: int,
    **options: Any,
) -> Response:
    """Return the answer to one request, whatever its status.

    Args:
        session: sends it.
        method: of HTTP.
        url: an address with the scheme http or https.
        token: who asks; other servers than its own are not told.
        headers: more headers.
        limits: what the server must keep to.
        size: the most bytes that the answer may have.
        options: `json`, `data` and `stream`, as requests takes them.

    Raises:
        TransientError, RefusedError: there is no answer.

    """
    from urllib3.exceptions import HTTPError

    def bound(response: Response, *_arguments: Any, **_options: Any) -> None:
        if not isinstance(response.raw, BoundedBody) and not getattr(response, "from_cache", False):
            response.raw = BoundedBody(response.raw, limits, size)

    bare, auth = login(url, token)
    try:
        return session.request(
            method,
            bare,
            headers={"User-Agent": "sysext-bakery", **headers},
            auth=auth,
            timeout=(limits.connect, limits.stall),
            hooks={"response": [bound, _check_redirect]},
            **options,
        )
    except (OSError, HTTPError) as error:  # requests lets some of both through
        raise _failure(error) from error


def _check_redirect(response: Response, *_arguments: Any, **_options: Any) -> None:
    if not response.is_redirect:
        return
    target = joined(response.url, response.headers["Location"])
    schemes = split(response.url).scheme, split(target).scheme
    if schemes not in _REDIRECTS:
        response.close()
        raise RefusedError(f"the server redirects from {schemes[0]} to {shown(target)}")


def _failure(error: Exception) -> RequestError:
    from requests import exceptions
    from urllib3 import exceptions as urllib3

    if isinstance(error, exceptions.TooManyRedirects):
        return RefusedError("the server redirects in a circle")
    lost = (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError)
    if isinstance(error, lost):
        if is_untrusted(error):
            return UntrustedError(explain(error))
        kind = RefusedError if is_permanent(error) else TransientError
        return kind(explain(error), status=refused_by_proxy(error))
    if isinstance(error, (exceptions.RequestException, urllib3.HTTPError)):
        return RefusedError(f"the address or the answer makes no sense ({type(error).__name__})")
    return RefusedError(str(error))  # certificates that REQUESTS_CA_BUNDLE names, but aren't there
