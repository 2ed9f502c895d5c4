"""Who we are to a registry, as docker, podman, oras and skopeo keep it.

That is in `auths`, `credHelpers` and `credsStore` of ~/.docker/config.json (docker-login(1)) and of
containers' auth.json (containers-auth.json(5)), or in the variable DOCKER_AUTH_CONFIG; on GitHub's
runners it is GITHUB_TOKEN.
"""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from bakery.decoding import from_json
from bakery.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bakery.registry.reference import Reference

_VARIABLE = "DOCKER_AUTH_CONFIG"
_GITHUB = "ghcr.io"
_SCHEMES = ("https://", "http://")
_IDENTITY = "<token>"  # the user of a helper whose secret is an identity token
_DOCKER_HUB = ("docker.io", "index.docker.io/v1")
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who we are.

    Attributes:
        user: a name.
        password: its secret.
        identity: an OAuth2 refresh token, in place of both.
        bearer: a token that is shown as it is, in place of all.

    """

    user: str = ""
    password: str = field(default="", repr=False)
    identity: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)

    @property
    def basic(self) -> str | None:
        """The name and its secret, as HTTP's basic authentication writes it (RFC 7617)."""
        pair = f"{self.user}:{self.password}".encode()
        return base64.b64encode(pair).decode() if self.password else None


class _Entry(Struct, rename="lower"):
    auth: str = ""
    username: str = ""
    password: str = ""
    identity_token: str = msgspec.field(default="", name="identitytoken")
    registry_token: str = msgspec.field(default="", name="registrytoken")

    def login(self) -> Login | None:
        user, password = self.username, self.password
        if self.auth:
            user, _, password = base64.b64decode(self.auth, validate=True).decode().partition(":")
            password = password.rstrip("\0")
        found = Login(
            user=user,
            password=password,
            identity=self.identity_token,
            bearer=self.registry_token,
        )
        return found if found != Login(user=user) else None


class _File(Struct, rename="camel"):
    auths: dict[str, _Entry] = {}
    cred_helpers: dict[str, str] = {}
    creds_store: str = ""


class _Answer(Struct, rename="pascal"):
    username: str = ""
    secret: str = ""


def find(reference: Reference, environment: Mapping[str, str]) -> Login | None:
    """Return who we are to the registry of a repository; None for nobody.

    Raises:
        SettingsError: a file of logins can't be read, or a helper does not answer.

    """
    for where, read in _sources(environment):
        try:
            found = _login(read(), reference, environment)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise SettingsError(
                "the logins for registries can't be read",
                where=where,
                why=str(error),
                fix=f"mend that, or remove it and run: docker login {reference.host}",
            ) from None
        if found:
            return found
    actor, token = environment.get("GITHUB_ACTOR"), environment.get("GITHUB_TOKEN")
    if reference.host == _GITHUB and actor and token:
        return Login(user=actor, password=token)
    return None


def _sources(environment: Mapping[str, str]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    if text := environment.get(_VARIABLE):
        yield _VARIABLE, text.encode
    for path in _files(environment):
        yield str(path), path.read_bytes


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    if explicit := environment.get("REGISTRY_AUTH_FILE"):
        yield Path(explicit)
    home = environment.get("HOME")
    if folder := environment.get("DOCKER_CONFIG") or (home and f"{home}/.docker"):
        yield Path(folder, "config.json")
    if folder := environment.get("XDG_RUNTIME_DIR"):
        yield Path(folder, "containers", "auth.json")


def _login(data: bytes, reference: Reference, environment: Mapping[str, str]) -> Login | None:
    file = from_json(data, _File)
    names = list(_names(reference))
    for name in names:
        if helper := file.cred_helpers.get(name):
            return _ask(helper, name, environment)
    entries = {_bare(name): entry for name, entry in file.auths.items()}
    for name in names:
        if (entry := entries.get(name)) and (found := entry.login()):
            return found
    host = names[-1] if reference.host != _DOCKER_HUB[0] else f"https://{_DOCKER_HUB[1]}/"
    return _ask(file.creds_store, host, environment) if file.creds_store else None


def _names(reference: Reference) -> Iterator[str]:
    """Yield what a login for a repository may be filed under: the nearest first."""
    path = f"{reference.host}/{reference.repository}"
    while "/" in path:
        yield path
        path = path.rpartition("/")[0]
    if path == _DOCKER_HUB[0]:
        yield _DOCKER_HUB[1]
    yield path


def _bare(name: str) -> str:
    for scheme in _SCHEMES:
        name = name.removeprefix(scheme)
    return name.rstrip("/")


def _ask(helper: str, host: str, environment: Mapping[str, str]) -> Login | None:
    """Return what a credential helper knows; None where it knows nobody."""
    program = f"docker-credential-{helper}"
    try:
        ran = subprocess.run(
            [program, "get"],
            input=host.encode(),
            capture_output=True,
            check=False,
            env=dict(environment),
            timeout=_PATIENCE,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"{program} is not there, or does not answer: {error}") from None
    if ran.returncode:
        if b"not found" in ran.stdout + ran.stderr:
            return None
        raise ValueError(f"{program} fails: {ran.stderr.decode(errors='replace').strip()}")
    answer = from_json(ran.stdout, _Answer)
    if answer.username == _IDENTITY:
        return Login(identity=answer.secret)
    return Login(user=answer.username, password=answer.secret)
