"""How a registry is told who asks (https://distribution.github.io/distribution/spec/auth/)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

import msgspec
from requests.utils import parse_dict_header

from bakery.decoding import from_json
from bakery.http.address import split
from bakery.http.credentials import Token
from bakery.http.errors import RefusedError
from bakery.registry import logins
from bakery.registry.reference import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bakery.http.client import Client
    from bakery.registry.logins import Login
    from bakery.registry.reference import Reference

Action = Literal["pull", "push"]
_ACTIONS: dict[Action, str] = {"pull": "pull", "push": "pull,push"}
_LOGINS = "docker's config.json"
_CLIENT = "sysext-bakery"


class _Granted(msgspec.Struct):
    token: str | None = None
    access_token: str | None = None


class Tokens:
    """What a registry has to be told, by what is to be done there."""

    def __init__(
        self, reference: Reference, client: Client, environment: Mapping[str, str]
    ) -> None:
        self._reference = reference
        self._client = client
        self._environment = environment
        self._held: dict[Action, Token] = {}

    def get(self, action: Action) -> Token | None:
        """Return what served the last time; None at first, since many let anybody read."""
        return self._held.get(action)

    def answer(self, challenge: str, action: Action) -> Token:
        """Return what a registry wants to be told.

        Args:
            challenge: how it asks, in a header WWW-Authenticate.
            action: what is to be done.

        Raises:
            SettingsError: the logins here can't be read.
            TransientError, RefusedError: it gives no token, or asks in a way that is unknown.

        """
        scheme, _, rest = challenge.partition(" ")
        login = logins.find(self._reference, self._environment)
        match scheme.lower():
            case "basic":
                token = self._told(self._password(login), scheme="Basic")
            case "bearer":
                asked = parse_dict_header(rest)  # type: ignore[no-untyped-call]
                bearer = login and login.bearer
                token = self._told(bearer) if bearer else self._grant(asked, action, login)
            case _:
                raise RefusedError(f"the registry wants a login of an unknown kind, {scheme}")
        self._held[action] = token
        return token

    def _told(self, value: str, *, by: str = _LOGINS, **more: str) -> Token:
        return Token(value=value, variable=by, **{"api": self._reference.url, **more})

    def _password(self, login: Login | None) -> str:
        if login is None or login.basic is None:
            raise RefusedError(f"it wants a login: docker login {self._reference.host}")
        return login.basic

    def _grant(self, asked: Mapping[str, str | None], action: Action, login: Login | None) -> Token:
        """Return what the server of tokens gives whoever we are, which may be anybody."""
        realm = asked.get("realm") or ""
        self._check(realm)
        scope = asked.get("scope") or f"repository:{self._reference.repository}:{_ACTIONS[action]}"
        fields = {"service": asked.get("service") or "", "scope": scope}
        if login and login.identity:
            form = {
                **fields,
                "client_id": _CLIENT,
                "grant_type": "refresh_token",
                "refresh_token": login.identity,
            }
            response = self._client.request("POST", realm, data=form)
        else:
            basic = login and login.basic
            token = self._told(basic, scheme="Basic", api=realm) if basic else None
            query = urlencode(fields)
            url = f"{realm}{'&' if '?' in realm else '?'}{query}"
            response = self._client.request("GET", url, token=token)
        try:
            granted = from_json(response.content, _Granted)
        except ValueError as error:
            raise RefusedError(f"its server of tokens makes no sense: {error}") from None
        value = granted.token or granted.access_token
        if not value:
            raise RefusedError("its server of tokens gives none")
        return self._told(value, by="its server of tokens")

    def _check(self, realm: str) -> None:
        """Refuse to tell secrets to whom others overhear."""
        local = is_loopback(self._reference.url) and is_loopback(realm)
        if split(realm).scheme != "https" and not (split(realm).scheme == "http" and local):
            raise RefusedError("it sends whoever logs in to an address that is not encrypted")
