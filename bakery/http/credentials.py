"""Secrets, each for the one server it is meant for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bakery.http.address import origin, split
from bakery.http.errors import RefusedError

if TYPE_CHECKING:
    from requests import PreparedRequest
    from requests.auth import AuthBase


_TOKEN = re.compile(r"[!-~]+")  # RFC 9110, 11.2, and more


@dataclass(frozen=True, kw_only=True)
class Token:
    """Who asks a web API.

    Attributes:
        value: the secret; None where none is set.
        variable: the environment variable that holds it, for messages.
        api: an address of the only server that is told it.
        scheme: how it is told: `Bearer` (RFC 6750) or `Basic` (RFC 7617).

    """

    value: str | None = field(repr=False)
    variable: str
    api: str
    scheme: str = "Bearer"

    def is_for(self, url: str) -> bool:
        """Whether an address is of the server that may be told."""
        return origin(url) == origin(self.api)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Put the token into a request, as requests' authentication does.

        Raises:
            RefusedError: it is nothing that a header can hold.

        """
        if not _TOKEN.fullmatch(self.value or ""):
            raise RefusedError(f"what {self.variable} gives is no token: it has other characters")
        request.headers["Authorization"] = f"{self.scheme} {self.value}"
        return request


def login(url: str, token: Token | None) -> tuple[str, Token | AuthBase | None]:
    """Return an address without a login in it, and what its server is told of who asks.

    That is the address's own login, else a token for this very server; without either, requests
    looks into ~/.netrc.
    """
    from requests.auth import HTTPBasicAuth

    parts = split(url)
    user_info, at, host = parts.netloc.rpartition("@")
    if at:
        user, _, password = user_info.partition(":")
        bare = parts._replace(netloc=host).geturl()
        return bare, HTTPBasicAuth(unquote(user), unquote(password))
    return url, token if token and token.value and token.is_for(url) else None
