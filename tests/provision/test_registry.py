"""What hosts fetch from registries with, between a real client and one that may be hostile."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import socket
import ssl
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import needs
from harness.server import Handler, Server
from harness.shells import SHELLS

from bakery.provision import registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = [needs.ROOT, needs.programs("curl", "openssl")]
TITLE = "org.opencontainers.image.title"
DATA = bytes(range(256)) * 3000
LOGIN = base64.b64encode(b"host:secret").decode()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def described(name: str, data: bytes) -> dict[str, Any]:
    return {
        "mediaType": "application/octet-stream",
        "digest": digest(data),
        "size": len(data),
        "annotations": {TITLE: name},
    }


def manifest(*layers: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, **more, "layers": layers}).encode()


@dataclass
class Registry:
    """What a registry has, and how it behaves.

    Attributes:
        channel: the manifest of the channel.
        blob: the blob.
        challenge: whom it sends to a token server; empty for nobody.
        token: what is granted there.
        elsewhere: where blobs are; empty for here.
        breaks: how many bytes of the blob it sends before it hangs up.
        ranges: whether it knows how to go on.
        endless: whether it sends far too much, and tells no size.
        asked: the paths that were asked for, and who asked.

    """

    channel: bytes = manifest(described("app-1.0+a.raw", DATA))
    blob: bytes = DATA
    challenge: str = ""
    token: str = ""
    elsewhere: str = ""
    breaks: int = len(DATA)
    ranges: bool = True
    endless: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)


class Site(Server):
    """Serves it."""

    def __init__(self, has: Registry) -> None:
        super().__init__(_Handler)
        self.has = has

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(Handler):
    server: Site

    def get(self) -> None:
        has, path = self.server.has, self.path.partition("?")[0]
        login = self.headers.get("Authorization", "")
        has.asked.append((path, login))
        if path == "/token":
            self.reply(200 if has.token else 403, json.dumps({"token": has.token}).encode())
        elif path.startswith("/v2/") and has.challenge and login != f"Bearer {has.token or '-'}":
            self.reply(401, b"{}", {"WWW-Authenticate": has.challenge})
        elif path == "/v2/me/bakery/manifests/app":
            self.reply(200, has.channel, endless=has.endless)
        elif path.startswith("/v2/me/bakery/blobs/") and has.elsewhere:
            self.reply(307, b"", {"Location": f"{has.elsewhere}/there"})
        elif path in ("/there", f"/v2/me/bakery/blobs/{digest(DATA)}"):
            if has.endless:
                self.reply(200, b"", endless=True)
            else:
                self.some_of(has.blob)
        else:
            self.reply(404, b"{}")

    def some_of(self, blob: bytes) -> None:
        start = 0
        given = self.headers.get("Range")
        if given and self.server.has.ranges:
            start = int(given.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(blob) - 1}/{len(blob)}")
        self.send_header("Content-Length", str(len(blob) - start))
        self.end_headers()
        self.wfile.write(blob[start : start + self.server.has.breaks])

    def reply(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        endless: bool = False,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if not endless:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)
            for _ in range(500 * endless):  # more than anybody may take
                self.wfile.write(b" " * 65536)


@dataclass(frozen=True)
class Bridge:
    """The program behind a socket, as systemd has it.

    Attributes:
        socket: where it is asked.
        said: what it has complained of.

    """

    socket: socket.socket
    command: list[str]
    environment: dict[str, str]
    said: list[str] = field(default_factory=list)

    def get(self, path: str, user: str = "root") -> tuple[int, bytes]:
        """Return the status of an answer, and as much of its body as there came."""
        port = self.socket.getsockname()[1]
        client = subprocess.Popen(
            [
                *("setpriv", f"--reuid={user}", "--clear-groups"),
                *("curl", "--silent", "--max-time", "30", "--path-as-is"),
                *("--write-out", "%{stderr}%{http_code}", f"http://127.0.0.1:{port}{path}"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        connection, (_, remote) = self.socket.accept()
        with connection:
            done = subprocess.run(
                self.command,
                stdin=connection.fileno(),
                stdout=connection.fileno(),
                stderr=subprocess.PIPE,
                text=True,
                check=False,
                env={**self.environment, "REMOTE_PORT": str(remote)},
            )
        self.said.extend(done.stderr.splitlines())
        body, status = client.communicate()
        return int(status), body


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(Registry()) as server:
        yield server


def bridge(folder: Path, site: Site, shell: str, logins: Any = None) -> Bridge:
    listens = socket.create_server(("127.0.0.1", 0))
    listens.settimeout(30)
    port = listens.getsockname()[1]
    followed = folder / "sysupdate.app.d"
    followed.mkdir()
    here = f"http://127.0.0.1:{port}"
    followed.joinpath("app.transfer").write_text(
        f"[Source]\nPath={here}/{site.host}/me/bakery/app\n"
    )
    folder.joinpath("registries.json").write_text(json.dumps(logins or {}))
    text = registry.TEXT.decode().replace("http://127.0.0.1:17716", here)
    program = folder / "program"
    text = text.replace("/etc/sysupdate.", f"{folder}/sysupdate.").replace("sleep 1", "sleep 0")
    program.write_text(text)
    environment = {
        "PATH": "/usr/bin:/bin",
        "CREDENTIALS_DIRECTORY": str(folder),
        "CURL_CA_BUNDLE": str(folder / "ca.pem"),
        "TMPDIR": str(folder),
    }
    return Bridge(listens, [*shlex.split(shell), str(program)], environment)


FILE = "/{host}/me/bakery/app/app-1.0%2Ba.raw"


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path, site: Site) -> Iterator[Bridge]:
    made = bridge(tmp_path, site, request.param)
    with made.socket:
        yield made
    assert {path.name for path in tmp_path.iterdir()} == {
        *("program", "registries.json", "sysupdate.app.d")
    }, "nothing is left"


@pytest.fixture
def plain(tmp_path: Path, site: Site) -> Iterator[Bridge]:
    made = bridge(tmp_path, site, "sh", {"auths": {site.host: {"auth": LOGIN}}})
    with made.socket:
        yield made


@needs.programs("shellcheck")
def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(registry.TEXT)
    command: list[str | Path] = ["shellcheck", tmp_path / "program"]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == ""


def test_a_file_is_the_layer_of_its_title(host: Bridge, site: Site) -> None:
    assert host.get(FILE.format(host=site.host)) == (200, DATA)
    assert host.get(f"/{site.host}/me/bakery/app/SHA256SUMS.gpg") == (404, b"")
    assert [line.rpartition("/")[2] for line in host.said] == [
        "SHA256SUMS.gpg: the channel has no such file"
    ]
    assert {login for _, login in site.has.asked} == {""}


def test_a_download_goes_on_where_it_broke(host: Bridge, site: Site) -> None:
    site.has.breaks = 300_000
    assert host.get(FILE.format(host=site.host)) == (200, DATA)
    assert host.said == []


def test_a_download_that_can_not_go_on_ends(plain: Bridge, site: Site) -> None:
    site.has.breaks, site.has.ranges = 300_000, False
    status, body = plain.get(FILE.format(host=site.host))
    assert (status, body) == (200, DATA[:300_000])
    assert "byte ranges" in plain.said[-1]


ODD = [
    pytest.param(
        b'{"layers":[{"annotations":{"%s":"app-1.0+a.raw"},\n\t"size" : %d ,"digest":"%s"}]}'
        % (TITLE.encode(), len(DATA), digest(DATA).encode()),
        id="in another order",
    ),
    pytest.param(
        manifest(
            described("app-1.00+a.raw", b"1"),
            described("app-1a0+a.raw", b"2"),
            described("xapp-1.0+a.raw", b"3"),
            described("app-1.0+a.raw", DATA),
            described("app-1.0+a.raw", b"4"),
        ),
        id="beside what looks alike",
    ),
    pytest.param(
        manifest(
            described("app-1.0+a.raw", DATA),
            annotations={"a": 'a "quoted" \\ {[,:', "layers": "x", TITLE: "app-1.0+a.raw"},
            subject=[{"layers": [described("app-1.0+a.raw", b"5")]}, None, True, -1.5e3],
            config={"digest": "x", "size": 1, "layers": {"0": {"digest": "y"}}},
        ),
        id="beside other keys",
    ),
    pytest.param(
        json.dumps(json.loads(Registry.channel), indent=4).encode(),
        id="with blanks",
    ),
]


@pytest.mark.parametrize("channel", ODD)
def test_manifests_of_others_are_read(host: Bridge, site: Site, channel: bytes) -> None:
    site.has.channel = channel
    assert host.get(FILE.format(host=site.host)) == (200, DATA)


WRONG = [
    pytest.param(b"", "no such file", id="nothing"),
    pytest.param(b'{"layers":[' + b"[" * 5_000_000, "no end|file size", id="too much"),
    pytest.param(b'{"layers":' + b"[" * 4_000_000, "no such file", id="deep"),
    pytest.param(b'"' + b'\\"' * 1_000_000, "no such file", id="one text"),
    pytest.param(
        manifest({**described("app-1.0+a.raw", DATA), "digest": "sha256:../../x"}),
        "makes no sense",
        id="no digest",
    ),
    pytest.param(
        manifest({**described("app-1.0+a.raw", DATA), "size": "1;id"}),
        "makes no sense",
        id="no size",
    ),
    pytest.param(
        manifest({**described("app-1.0+a.raw", DATA), "size": 10**15}),
        "makes no sense",
        id="too large",
    ),
]


@pytest.mark.parametrize(("channel", "why"), WRONG)
def test_nonsense_is_refused(plain: Bridge, site: Site, channel: bytes, why: str) -> None:
    site.has.channel = channel
    status, body = plain.get(FILE.format(host=site.host))
    assert (status >= 400, body) == (True, b"")
    assert re.search(why, plain.said[-1])


def test_a_manifest_without_end_is_refused(plain: Bridge, site: Site) -> None:
    site.has.endless = True
    assert plain.get(FILE.format(host=site.host)) == (502, b"")
    assert re.search(r"app-1.0\+a.raw: .*(has no end|file size)", plain.said[-1])


def test_root_alone_is_answered(plain: Bridge, site: Site) -> None:
    assert plain.get(FILE.format(host=site.host), user="nobody") == (0, b"")
    assert site.has.asked == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/{host}/me/bakery/other/SHA256SUMS", 403),
        ("/{host}/me/bakery/app/../app/SHA256SUMS", 400),
        ("/{host}/me/bakery/SHA256SUMS", 403),
        ("/registry.example/me/bakery/app/SHA256SUMS", 403),
        ("/{host}/me/bakery/app/SHA256SUMS?a=b", 400),
        ("/{host}/me/bakery/app/%2e%2e/x", 400),
        ("/{host}/me/bakery/app//x", 400),
        ("/{host}/me/bakery/app/", 400),
        ("/app", 400),
        ("/", 400),
    ],
)
def test_nothing_else_is_asked_for(plain: Bridge, site: Site, path: str, status: int) -> None:
    assert plain.get(path.format(host=site.host)) == (status, b"")
    assert site.has.asked == []


def test_a_token_is_fetched_by_anybody(host: Bridge, site: Site) -> None:
    site.has.token = "a.B-c_d~e+f/g=="
    site.has.challenge = f'Bearer realm="http://{site.host}/token",service="here",scope="x"'
    assert host.get(FILE.format(host=site.host)) == (200, DATA)
    assert site.has.asked == [
        ("/v2/me/bakery/manifests/app", ""),
        ("/token", ""),
        ("/v2/me/bakery/manifests/app", f"Bearer {site.has.token}"),
        (f"/v2/me/bakery/blobs/{digest(DATA)}", f"Bearer {site.has.token}"),
    ]


def test_a_token_server_is_asked_once(plain: Bridge, site: Site) -> None:
    site.has.token = "token"
    site.has.challenge = f'Bearer realm="http://{site.host}/token?{{a,b}}[1-9]"'
    assert plain.get(FILE.format(host=site.host)) == (200, DATA)
    assert [path for path, _ in site.has.asked].count("/token") == 1


def test_a_login_is_for_the_token_server(plain: Bridge, site: Site) -> None:
    site.has.token = "token"
    site.has.challenge = f'Bearer realm="http://{site.host}/token",service="here"'
    assert plain.get(FILE.format(host=site.host)) == (200, DATA)
    assert site.has.asked[1] == ("/token", f"Basic {LOGIN}")


@pytest.mark.parametrize(
    ("challenge", "token", "why"),
    [
        ('Bearer realm="http://{host}/token"', "", "answers 403; see what is in /etc"),
        ('Bearer realm="http://{host}/token"', 'a"\nb', "gives no token"),
        ('Bearer realm="http://token.example/token"', "a", "no https address"),
        ('Bearer realm="http://127.evil.example/token"', "a", "no https address"),
        ('Bearer realm="file:///etc/shadow"', "a", "no https address"),
        ('Bearer realm="https://127.0.0.1:1/token"', "a", "its token server 127.0.0.1:1: "),
        ("Negotiate", "a", "answers 401; "),
        ('Basic realm="here"', "a", "answers 401; see what is in /etc"),
    ],
)
def test_who_is_not_let_in_is_told(
    plain: Bridge, site: Site, challenge: str, token: str, why: str
) -> None:
    site.has.challenge, site.has.token = challenge.format(host=site.host), token
    assert plain.get(FILE.format(host=site.host)) == (502, b"")
    assert why in plain.said[-1]


def test_who_needs_a_login_is_told(host: Bridge, site: Site) -> None:
    site.has.challenge = 'Basic realm="here"'
    assert host.get(FILE.format(host=site.host)) == (502, b"")
    assert "is it private? Then /etc/extensions.d/registries.json has to" in host.said[-1]


@pytest.fixture
def abroad(tmp_path: Path) -> Iterator[Site]:
    """Storage of blobs at another address, encrypted."""
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
    options += "-subj /CN=there -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out ca.pem"
    command = ["openssl", "req", *options.split()]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    server = Site(Registry())
    server.scheme = "https"
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with server:
        yield server


def test_storage_elsewhere_gets_no_token(plain: Bridge, site: Site, abroad: Site) -> None:
    site.has.token = "token"
    site.has.challenge = f'Bearer realm="http://{site.host}/token",service="here"'
    site.has.elsewhere = abroad.url
    abroad.has.breaks = 300_000
    assert plain.get(FILE.format(host=site.host)) == (200, DATA)
    assert set(abroad.has.asked) == {("/there", "")}


def test_a_registry_elsewhere_sends_nobody_to_this_computer(
    tmp_path: Path, site: Site, abroad: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Site, "host", "registry.example")
    made = bridge(tmp_path, abroad, "sh", {"auths": {"registry.example": {"auth": LOGIN}}})
    made.environment["CURL_HOME"] = str(tmp_path)
    connect = f'connect-to = "::127.0.0.1:{abroad.server_port}"\ninsecure\n'
    (tmp_path / ".curlrc").write_text(connect)
    abroad.has.challenge = f'Bearer realm="http://127.0.0.1:{site.server_port}/token"'
    site.has.token = "token"
    with made.socket:
        assert made.get(FILE.format(host="registry.example")) == (502, b"")
    assert "no https address" in made.said[-1]
    assert len(abroad.has.asked) == 1
    assert site.has.asked == []


def test_storage_elsewhere_has_to_be_encrypted(plain: Bridge, site: Site) -> None:
    with Site(Registry()) as other:
        site.has.elsewhere = other.url
        status, body = plain.get(FILE.format(host=site.host))
    assert (status, body, other.has.asked) == (200, b"", [])
    assert "Protocol" in plain.said[-1]


@pytest.mark.parametrize("shell", SHELLS)
def test_an_image_is_fetched_by_its_digest(tmp_path: Path, site: Site, shell: str) -> None:
    program = tmp_path / "program"
    program.write_bytes(registry.TEXT)
    site.has.token = "token"
    site.has.challenge = f'Bearer realm="http://{site.host}/token"'
    address = registry.image(f"oci://{site.host}/me/bakery", digest(DATA).partition(":")[2])
    command = [*shlex.split(shell), str(program), "pull", address, str(len(DATA))]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", DATA)
    site.has.token = ""
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"{address}: its token server {site.host} answers 403".encode() in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_an_image_has_no_more_bytes_than_it_should(tmp_path: Path, site: Site, shell: str) -> None:
    program = tmp_path / "program"
    program.write_bytes(registry.TEXT)
    site.has.endless = True
    address = registry.image(f"oci://{site.host}/me/bakery", digest(DATA).partition(":")[2])
    command = [*shlex.split(shell), str(program), "pull", address, str(len(DATA))]
    with (tmp_path / "image").open("wb") as image:
        done = subprocess.run(
            command, stdout=image, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert done.returncode == 1
    assert re.search(rb"has no end|file size|File too large", done.stderr)
    assert (tmp_path / "image").stat().st_size < 2 * len(DATA) + 32768


def test_a_disk_that_is_full_is_told(tmp_path: Path, site: Site) -> None:
    program = tmp_path / "program"
    program.write_bytes(registry.TEXT)
    address = registry.image(f"oci://{site.host}/me/bakery", digest(DATA).partition(":")[2])
    command = ["sh", str(program), "pull", address, str(len(DATA))]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == 1
    assert f"{address}: ".encode() in done.stderr
    assert b"No space left on device" in done.stderr
