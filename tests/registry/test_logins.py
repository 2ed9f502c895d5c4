"""Logins, as docker, podman and their helpers keep them; and what real registries make of them."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from harness.debian import Debian
from harness.registry import PASSWORD, USER, docker_config, guarded
from harness.server import Handler, Server
from requests import Response

from bakery.errors import SettingsError
from bakery.http.client import Client
from bakery.http.errors import RefusedError
from bakery.registry import logins
from bakery.registry.client import Registry
from bakery.registry.logins import Login
from bakery.registry.manifest import NOTHING, Manifest
from bakery.registry.reference import Reference
from bakery.registry.tokens import Tokens
from bakery.registry.upload import Source, Upload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.registry import Running


GHCR = Reference.parse("ghcr.io/owner/bakery")
PAIR = {"auth": base64.b64encode(b"me:a:b").decode()}
ME = Login(user="me", password="a:b")


@pytest.fixture(scope="module", params=["basic", "bearer"])
def private(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    with guarded(Debian("bookworm"), tmp_path_factory.mktemp("guarded"), request.param) as running:
        yield running


def test_a_login_opens_a_registry(private: Running, client: Client, tmp_path: Path) -> None:
    environment = docker_config(tmp_path, private.host)
    registry = Registry(private.reference(), client=client, environment=environment)
    content = os.urandom(5 << 20)
    layer = registry.push(content, "a/b")
    registry.push(b"{}", NOTHING.media_type)
    registry.put(Manifest.of("a/b", [layer]), "v1")
    registry.pull(layer, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == content
    assert registry.tags() == ["v1"]


def test_nobody_writes_without_a_login(private: Running, client: Client, tmp_path: Path) -> None:
    registry = Registry(private.reference(), client=client, environment={})
    with pytest.raises(RefusedError, match=r"login|HTTP 401"):
        registry.push(b"content", "a/b")
    wrong = base64.b64encode(f"{USER}:wrong".encode()).decode()
    environment = docker_config(tmp_path, private.host, auth=wrong)
    registry = Registry(private.reference(), client=client, environment=environment)
    with pytest.raises(RefusedError, match="HTTP 401"):
        registry.push(b"content", "a/b")


def test_an_identity_token_writes_where_nobody_else_may(client: Client, tmp_path: Path) -> None:
    with guarded(Debian("bookworm"), tmp_path / "registry", "bearer") as private:
        environment = docker_config(tmp_path, private.host, identitytoken=PASSWORD)
        known = Registry(private.reference(), client=client, environment=environment)
        layer = known.push(b"content", "a/b")
        anybody = Registry(private.reference(), client=client, environment={})
        assert anybody.read(layer, 100) == b"content"
        with pytest.raises(RefusedError, match="HTTP 401"):
            anybody.push(b"other", "a/b")


def test_a_token_that_is_over_is_renewed(client: Client, tmp_path: Path) -> None:
    with guarded(Debian("bookworm"), tmp_path / "registry", "bearer") as private:
        environment = docker_config(tmp_path, private.host)
        registry = Registry(private.reference(), client=client, environment=environment)
        layer = registry.push(b"content", "a/b")
        held = registry._tokens._held
        for action, token in held.items():
            held[action] = token.__class__(value="over", variable="X", api=token.api)
        assert registry.read(layer, 100) == b"content"
        registry.push(b"more", "a/b")


def written(path: Path, **content: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return str(path)


def test_logins_are_found_where_docker_and_podman_keep_them(tmp_path: Path) -> None:
    assert logins.find(GHCR, {"HOME": str(tmp_path)}) is None
    written(tmp_path / "run/containers/auth.json", auths={"ghcr.io": PAIR})
    environment = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    assert logins.find(GHCR, environment) == ME
    written(
        tmp_path / ".docker/config.json",
        auths={"ghcr.io": {"username": "docker", "password": "x"}, "quay.io": {}},
    )
    assert logins.find(GHCR, environment) == Login(user="docker", password="x")
    environment["REGISTRY_AUTH_FILE"] = written(
        tmp_path / "auth.json", auths={"ghcr.io/owner": {"identitytoken": "y"}, "ghcr.io": PAIR}
    )
    assert logins.find(GHCR, environment) == Login(identity="y")
    assert logins.find(Reference.parse("ghcr.io/other/bakery"), environment) == ME
    environment["DOCKER_AUTH_CONFIG"] = '{"auths": {"ghcr.io": {"registrytoken": "z"}}}'
    assert logins.find(GHCR, environment) == Login(bearer="z")


@pytest.mark.parametrize("name", ["https://index.docker.io/v1/", "docker.io"])
def test_the_names_of_docker_hub(tmp_path: Path, name: str) -> None:
    written(tmp_path / "config.json", auths={name: PAIR})
    environment = {"DOCKER_CONFIG": str(tmp_path)}
    assert logins.find(Reference.parse("docker.io/me/bakery"), environment) == ME
    assert logins.find(GHCR, environment) is None


@pytest.mark.parametrize(
    ("answer", "login"),
    [
        ('{"Username": "me", "Secret": "a:b"}', ME),
        ('{"Username": "<token>", "Secret": "y"}', Login(identity="y")),
        ("credentials not found in native keychain", None),
    ],
)
@pytest.mark.parametrize("content", [{"credHelpers": {"ghcr.io": "x"}}, {"credsStore": "x"}])
def test_credential_helpers_are_asked(
    tmp_path: Path, answer: str, login: Login | None, content: dict[str, Any]
) -> None:
    program = tmp_path / "docker-credential-x"
    status = 0 if login else 1
    program.write_text(
        f"#!/bin/sh\n[ \"$(cat)\" = ghcr.io ] || exit 2\necho '{answer}'\nexit {status}\n"
    )
    program.chmod(0o755)
    written(tmp_path / "config.json", auths={"ghcr.io": {}}, **content)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DOCKER_CONFIG": str(tmp_path)}
    assert logins.find(GHCR, environment) == login


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"auths": {"ghcr.io": {"auth": "%"}}}'])
def test_logins_that_can_not_be_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(SettingsError, match=r"docker login ghcr\.io"):
        logins.find(GHCR, {"DOCKER_CONFIG": str(tmp_path)})


def test_a_helper_that_is_missing(tmp_path: Path) -> None:
    written(tmp_path / "config.json", credsStore="missing")
    with pytest.raises(SettingsError, match="docker-credential-missing"):
        logins.find(GHCR, {"DOCKER_CONFIG": str(tmp_path), "PATH": "/nowhere"})


def test_the_token_of_a_workflow_is_for_github_alone() -> None:
    environment = {"GITHUB_TOKEN": "ghs", "GITHUB_ACTOR": "me"}
    assert logins.find(GHCR, environment) == Login(user="me", password="ghs")
    assert logins.find(Reference.parse("quay.io/me/bakery"), environment) is None
    assert logins.find(GHCR, {"GITHUB_TOKEN": "somebody's at home"}) is None


def test_secrets_are_not_shown() -> None:
    shown = repr(Login(user="me", password="aa", identity="bb", bearer="cc"))
    assert not any(secret in shown for secret in ("aa", "bb", "cc"))


@pytest.mark.parametrize(
    "challenge",
    [
        'Bearer realm="http://tokens.example/token",service="x"',
        'Bearer realm="http://127.0.0.1:1/token"',
        'Bearer realm="ftp://tokens.example"',
        "Bearer",
        'Basic realm="x"',
        'Digest realm="x"',
        "",
    ],
)
def test_nobody_else_is_told_a_login(challenge: str) -> None:
    environment = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {"quay.io": PAIR}})}
    tokens = Tokens(GHCR, Client(), environment)
    with pytest.raises(RefusedError, match=r"encrypted|login"):
        tokens.answer(challenge, "pull")


def test_an_upload_stays_encrypted() -> None:
    upload = Upload(Source(b"content"), GHCR.url, lambda *_words, **_: elsewhere, lambda: False)
    elsewhere = Response()
    elsewhere.url, elsewhere.headers["Location"] = GHCR.url, "http://ghcr.io/v2/upload"
    with pytest.raises(RefusedError, match="not encrypted"):
        upload.attempt()


class Granting(Server):
    """A registry beside a server of tokens, which may be hostile."""

    def __init__(self, answer: bytes, realm: str) -> None:
        super().__init__(_Granting)
        self.answer = answer
        self.realm = realm or f"http://127.0.0.1:{self.server_port}/token"


class _Granting(Handler):
    server: Granting

    def get(self) -> None:
        asks = self.path.startswith("/v2/")
        body = b"" if asks else self.server.answer
        self.send_response(401 if asks else 200)
        self.send_header("WWW-Authenticate", f'Bearer realm="{self.server.realm}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize(
    ("answer", "realm", "entry"),
    [
        (b'{"token": "a\\r\\nX: y"}', "", {}),
        ('{"token": "\u65e5"}'.encode(), "", {}),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "", {}),
        (b"{}", "http://[x", {}),
        (b"", "", {"registrytoken": "a\nb"}),
    ],
    ids=["lines", "no ASCII", "deep", "no address", "own"],
)
def test_tokens_that_are_none(
    client: Client, answer: bytes, realm: str, entry: dict[str, str]
) -> None:
    with Granting(answer, realm) as server:
        host = f"127.0.0.1:{server.server_port}"
        environment = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {host: entry}})}
        registry = Registry(
            Reference.parse(f"{host}/me/it"), client=client, environment=environment
        )
        with pytest.raises(RefusedError, match=r"no token|no sense|not encrypted"):
            registry.manifest("v1")
