"""Real registries on this computer, and what stands before them: a door, and a bad line."""

from __future__ import annotations

import base64
import datetime as dt
import http.client
import json
import os
import socket
import subprocess
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from bakery.http.errors import RefusedError
from bakery.registry.manifest import Descriptor, Stored
from bakery.registry.reference import Reference, fallback
from harness.debian import Debian
from harness.processes import free_port, served
from harness.server import Handler, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bakery.registry.client import Registry

USER, PASSWORD = "baker", "open sesame"
_HTPASSWD = f"{USER}:$2b$04$c5dtychtmFznofq6GDuXUuTtt/fUNIDxEauejjD79ZBST5t6xhqey\n"
_LIBRARIES = ("libc6", "libgpgme11t64", "libassuan9", "libgpg-error0", "libsqlite3-0")
_SERVICE, _ISSUER = "registry.test", "tokens.test"
_CONFIG = """\
version: 0.1
storage: {{{storage}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}", relativeurls: true}}
{auth}"""

Fault = Literal["before", "after", "half", "cut", "busy", "wrong"]
FAULTS: tuple[Fault, ...] = ("before", "after", "half", "cut", "busy")


@dataclass(frozen=True)
class Running:
    """A registry.

    Attributes:
        host: how references name it.
        lists: whether it lists what refers to something.

    """

    host: str
    lists: bool

    def reference(self, repository: str = "me/bakery") -> Reference:
        return Reference.parse(f"{self.host}/{repository}")


@contextmanager
def docker_registry(
    debian: Debian, folder: Path, auth: str = "", storage: str = "inmemory: {}"
) -> Iterator[Running]:
    """Run Docker's registry of Debian, which keeps no lists of referrers."""
    program = debian.program("x86-64", "docker-registry", "docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yml"
    with free_port() as port:
        config.write_text(_CONFIG.format(storage=storage, port=port, auth=auth))
        with served([program, "serve", config], port, folder):
            yield Running(f"127.0.0.1:{port}", lists=False)


@contextmanager
def crane_registry(debian: Debian, folder: Path) -> Iterator[Running]:
    """Run the registry of crane, which lists what refers to something."""
    program = debian.program("x86-64", "crane", "crane")
    with free_port() as port:
        command: list[str | Path] = [program, "registry", "serve", f"--address=127.0.0.1:{port}"]
        with served(command, port, folder):
            yield Running(f"127.0.0.1:{port}", lists=True)


@contextmanager
def guarded(debian: Debian, folder: Path, kind: Literal["basic", "bearer"]) -> Iterator[Running]:
    """Run Docker's registry, which asks for USER and PASSWORD, by itself or by tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "basic":
        (folder / "htpasswd").write_text(_HTPASSWD)
        auth = f"auth: {{htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}}}\n"
        with docker_registry(debian, folder, auth) as running:
            yield running
        return
    with TokenServer() as tokens:
        (folder / "tokens.pem").write_bytes(tokens.certificate)
        realm = f"realm: {tokens.url}/token, service: {_SERVICE}, issuer: {_ISSUER}"
        auth = f"auth: {{token: {{{realm}, rootcertbundle: {folder / 'tokens.pem'}}}}}\n"
        with docker_registry(debian, folder, auth) as running:
            yield running


def docker_config(folder: Path, host: str, **entry: str) -> dict[str, str]:
    """Write the file that `docker login` writes; return the variable that names its folder."""
    pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"auths": {host: entry or {"auth": pair}}}))
    return {"DOCKER_CONFIG": str(folder)}


def referrers(repository: Registry, digest: str) -> list[Descriptor]:
    """Return what is attached to a manifest: by the registry's list, else by the one in a tag."""
    try:
        answer = repository._ask("GET", f"{repository._url}/referrers/{digest}")
    except RefusedError:
        listed = repository.manifest(fallback(digest))
    else:
        listed = Stored(data=answer.content, media_type="")
    return [*listed.index().manifests] if listed else []


class Tools:
    """oras, skopeo and cosign, as Debian has them; `cosign 3` is that of its next release.

    Attributes:
        policy: a file that lets skopeo copy what nobody has signed.

    """

    def __init__(self, home: Path) -> None:
        debian = Debian("trixie")
        self._home = home
        self._programs: dict[str, list[str | Path]] = {
            name: [debian.program("x86-64", name, name)] for name in ("oras", "skopeo", "cosign")
        }
        found = [path for name in _LIBRARIES for path in debian.unpacked("x86-64", name).rglob("*")]
        loader = next(path for path in found if path.name == "ld-linux-x86-64.so.2")
        folders = dict.fromkeys(str(path.parent) for path in found if ".so" in path.name)
        self._programs["cosign 3"] = [Debian("forky").program("x86-64", "cosign", "cosign")]
        linked: list[str | Path] = [loader, "--library-path", ":".join(folders)]
        self._programs["skopeo"][:0] = linked  # with the C library that it was made for
        self.policy = home / "policy.json"
        self.policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')

    def __call__(self, name: str, *words: object, cwd: Path | None = None) -> str:
        """Run a program, and return what it says."""
        ran = subprocess.run(
            [*self._programs[name], *map(str, words)],
            cwd=cwd or self._home,
            env={"HOME": str(self._home), "PATH": os.environ["PATH"]},
            capture_output=True,
            check=False,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


class TokenServer(Server):
    """Gives tokens: to USER for all that is asked, to nobody in particular for reading."""

    def __init__(self) -> None:
        super().__init__(_Tokens)
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _ISSUER)])
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )
        self.certificate = made.public_bytes(serialization.Encoding.PEM)
        self.der = made.public_bytes(serialization.Encoding.DER)
        self.lifetime = 300

    def token(self, scopes: list[str], *, known: bool) -> str:
        """Return a JSON web token for what may be done."""
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            allowed = [each for each in actions.split(",") if known or each == "pull"]
            access.append({"type": kind, "name": name, "actions": allowed})
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(self.der).decode()]}
        claims = {
            "iss": _ISSUER,
            "sub": USER if known else "",
            "aud": _SERVICE,
            "exp": now + self.lifetime,
            "nbf": now - 10,
            "iat": now,
            "jti": "1",
            "access": access,
        }
        signed = f"{_part(json.dumps(head).encode())}.{_part(json.dumps(claims).encode())}"
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_part(signature)}"


class _Tokens(Handler):
    server: TokenServer

    def get(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        told = self.headers["Authorization"]
        if told and told != f"Basic {pair}":
            self._answer(401, {"errors": [{"code": "DENIED", "message": "unknown login"}]})
        else:
            self._give(query.get("scope", []), known=bool(told))

    def do_POST(self) -> None:  # noqa: N802  named by http.server
        self.close_connection = True
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if form["refresh_token"] == [PASSWORD] and form["grant_type"] == ["refresh_token"]:
            self._give(form["scope"], known=True)
        else:
            self._answer(401, {"errors": [{"code": "DENIED", "message": "unknown login"}]})

    def _give(self, scopes: list[str], *, known: bool) -> None:
        asked = [scope for each in scopes for scope in each.split(" ")]
        self._answer(200, {"access_token": self.server.token(asked, known=known)})

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Line(Server):
    """A bad line to a registry: one request of all, by its number from 1, goes wrong.

    `before`: it does not come there; `after`: its answer is lost; `half`: half of what is sent
    comes there; `cut`: half of the answer comes back; `busy`: it is answered with 502;
    `wrong`: other bytes come back.

    Attributes:
        requests: what was asked, as method and path.
        received: how many bytes came with each.
        fault: the number of the request to fail, and how.
        watch: called with each request before it is passed on.

    """

    def __init__(self, registry: Running) -> None:
        super().__init__(_Line)
        self.behind = registry
        self.requests: list[str] = []
        self.received: list[int] = []
        self.fault: tuple[int, Fault] | None = None
        self.watch: Callable[[str], None] = lambda _request: None

    @property
    def running(self) -> Running:
        """The registry at the end of the line."""
        return Running(f"127.0.0.1:{self.server_port}", self.behind.lists)


class _Line(Handler):
    server: Line
    disable_nagle_algorithm = True

    def do_GET(self) -> None:  # noqa: N802  named by http.server
        self.close_connection = True
        server = self.server
        server.requests.append(f"{self.command} {self.path}")
        number, how = server.fault or (0, None)
        if number != len(server.requests):
            how = None
        size = int(self.headers["Content-Length"] or 0)
        sent = self.rfile.read(size // 2 if how == "half" else size)
        server.received.append(len(sent))
        server.watch(server.requests[-1])
        if how == "busy":
            self.send_response(502)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif how != "before":
            self._pass_on(sent, how)
        if how == "before":
            self._hang_up()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  as http.server has it

    def _pass_on(self, sent: bytes, how: Fault | None) -> None:
        headers = dict(self.headers.items())
        headers["Connection"] = "close"
        with closing(http.client.HTTPConnection(self.server.behind.host, timeout=30)) as behind:
            behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                behind.putheader(name, value)
            behind.endheaders(sent)
            if how == "half":
                behind.sock.shutdown(socket.SHUT_WR)
                with suppress(OSError, http.client.HTTPException):
                    behind.getresponse().read()
                self._hang_up()
                return
            response = behind.getresponse()
            data = response.read()
        if how == "after":
            self._hang_up()
            return
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name not in ("Date", "Server", "Connection", "Transfer-Encoding"):
                self.send_header(name, value)
        if response.getheader("Transfer-Encoding"):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        data = data[::-1] if how == "wrong" else data
        with suppress(BrokenPipeError):  # who asked was killed
            self.wfile.write(data[: len(data) // 2] if how == "cut" else data)
        if how == "cut":
            self._hang_up()

    def _hang_up(self) -> None:
        self.wfile.flush()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
