"""Why a request failed, in one line without addresses, since those can hold secrets."""

from __future__ import annotations

import re
import socket
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGIN = HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
_SERVER_ERROR = HTTPStatus.INTERNAL_SERVER_ERROR
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_PERMANENT_NAME_ERRORS = (socket.EAI_NONAME,)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Return an error and all that led to it, outermost first.

    urllib3 keeps the cause in `reason` or in `args`, Python in `__cause__` and `__context__`.
    """
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        candidate = waiting.pop(0)
        if isinstance(candidate, BaseException) and candidate not in seen:
            seen.append(candidate)
            yield candidate
            waiting += [
                getattr(candidate, "reason", None),
                *candidate.args,
                candidate.__cause__,
                candidate.__context__,
            ]


def refused_by_proxy(error: BaseException) -> int | None:
    """Return the status with which a proxy has refused to connect; None where it has not.

    http.client tells it in words alone: `Tunnel connection failed: 407 Proxy Authentication …`.
    """
    told = (_TUNNEL.search(str(cause)) for cause in chain(error) if isinstance(cause, OSError))
    return next((int(match[1]) for match in told if match), None)


def is_untrusted(error: BaseException) -> bool:
    """Tell whether the server has a certificate that nobody here trusts."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in chain(error))


def is_unreachable(error: BaseException) -> bool:
    """Tell whether there was no connection, or nothing came over it."""
    from requests import exceptions

    lost = (exceptions.ConnectionError, exceptions.Timeout)
    return any(isinstance(cause, lost) for cause in chain(error))


def is_permanent(error: BaseException) -> bool:
    """Tell whether trying again is pointless: an unknown host, no trust, a proxy that refuses."""
    unknown = any(
        isinstance(cause, socket.gaierror) and cause.errno in _PERMANENT_NAME_ERRORS
        for cause in chain(error)
    )
    refused = refused_by_proxy(error) or 0
    return unknown or is_untrusted(error) or HTTPStatus.BAD_REQUEST <= refused < _SERVER_ERROR


def explain(error: BaseException) -> str:
    """Return the cause nearest to the network."""
    from requests import exceptions

    causes = list(chain(error))
    refused = refused_by_proxy(error)
    if refused is not None:
        reason = "it asks for a login" if refused == _LOGIN else "it refuses to connect"
        return f"the connection to the proxy failed: {reason} (HTTP {refused})"
    proxy = any(isinstance(cause, exceptions.ProxyError) for cause in causes)
    details = (_detail(cause) for cause in causes)
    detail = next((text for text in details if text), type(error).__name__)
    return f"the connection {'to the proxy ' if proxy else ''}failed: {detail}"


def _detail(cause: BaseException) -> str | None:
    match cause:
        case ssl.SSLCertVerificationError():
            return f"the certificate is not trusted ({cause.verify_message})"
        case socket.gaierror():
            return f"the host's name can't be resolved ({cause.strerror})"
        case TimeoutError():
            return "nothing came in time"
        case ConnectionResetError():
            return "the server hung up"
        case OSError():
            return cause.strerror
        case _:
            return None
