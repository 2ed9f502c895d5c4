"""An upstream that misbehaves on demand, over real HTTP."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import server as web

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from email.message import Message

    from bakery.store.folder import Store

    Behaviour = Callable[["Handler"], None]

BODY = bytes(range(256)) * 1000
OTHER = b"x" + BODY[1:]
HALF = len(BODY) // 2
DEADLINE = 30.0


@dataclass(frozen=True)
class Asset:
    url: str
    sha256: str
    size: int | None = None


class Handler(web.Handler):
    server: Upstream

    do_POST = web.Handler.do_GET  # noqa: N815  named by http.server

    def get(self) -> None:
        self.server.behaviour(self.path, self.headers)(self)

    def answer(self, status: int, headers: Mapping[str, object], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)


class Upstream(web.Server):
    """Answers each request for a path with the next step of its script; the last one stays."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.scripts: dict[str, list[Behaviour]] = {}
        self.requests: list[tuple[str, Message]] = []
        self._guard = threading.Lock()

    def encrypt(self, context: ssl.SSLContext) -> None:
        self.scheme = "https"
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def behaviour(self, path: str, headers: Message) -> Behaviour:
        with self._guard:
            self.requests.append((path, headers))
            script = self.scripts.get(path, [self.status(404)])
            return script.pop(0) if len(script) > 1 else script[0]

    def offer(self, path: str, *script: Behaviour) -> str:
        self.scripts[path] = list(script)
        return self.url + path

    def asset(
        self, body: bytes, *script: Behaviour, path: str = "/a.tgz", sized: bool = True
    ) -> Asset:
        """Offer a file whose digest is that of `body`, whatever the script answers."""
        size = len(body) if sized else None
        digest = hashlib.sha256(body).hexdigest()
        return Asset(self.offer(path, *(script or [self.whole(body)])), digest, size)

    @property
    def ranges(self) -> list[str | None]:
        return [headers["Range"] for _, headers in self.requests]

    def handle_error(self, *_: object) -> None:
        """Clients of these tests hang up early, as they should."""

    @staticmethod
    def whole(
        body: bytes, *, etag: str | None = '"one"', upto: int | None = None, **more: object
    ) -> Behaviour:
        """Serve like a good server; with `upto`, hang up after that many bytes of the file."""

        def behave(handler: Handler) -> None:
            headers = {name.replace("_", "-"): value for name, value in more.items()}
            if etag:
                headers["ETag"] = etag
            start, wanted = 0, handler.headers["Range"]
            if wanted and handler.headers["If-Range"] == etag:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            headers["Content-Length"] = len(body) - start
            handler.answer(206 if start else 200, headers, body[start:upto])

        return behave

    @staticmethod
    def status(code: int, body: bytes = b"", **headers: object) -> Behaviour:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return lambda handler: handler.answer(code, {"Content-Length": len(body), **named}, body)

    @staticmethod
    def raw(code: int, headers: Mapping[str, object], body: bytes) -> Behaviour:
        """Send exactly these headers and bytes, whether they fit or not."""
        return lambda handler: handler.answer(code, headers, body)

    @staticmethod
    def stalling(body: bytes, after: int, gate: threading.Event) -> Behaviour:
        """Serve the beginning, then be silent until the gate opens."""

        def behave(handler: Handler) -> None:
            handler.answer(200, {"Content-Length": len(body), "ETag": '"one"'}, body[:after])
            gate.wait(DEADLINE)
            handler.wfile.write(body[after:])

        return behave


def assert_clean(store: Store) -> None:
    """Nothing came in, and nothing is left over."""
    assert not list(store.root.glob("sha256/*/*"))
    assert not list(store.partials.glob("*"))
