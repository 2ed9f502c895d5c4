"""Why a request failed, in one line without addresses, since those can hold secrets."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def is_permanent(error: BaseException) -> bool:
    """Tell whether trying again is pointless: an unknown host, or a certificate nobody trusts."""
    return any(
        isinstance(cause, ssl.SSLCertVerificationError)
        or (isinstance(cause, socket.gaierror) and cause.errno in _PERMANENT_NAME_ERRORS)
        for cause in chain(error)
    )


def explain(error: BaseException) -> str:
    """Return the cause nearest to the network."""
    from requests import exceptions

    causes = list(chain(error))
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
