"""A web server that serves `https://host/path` as `/host/path` from a folder."""

from __future__ import annotations

import json
from contextlib import suppress
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.server import Handler, Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

_PATIENCE = 600.0


class Mirror(Server):
    """The server.

    Attributes:
        folder: what it serves.
        requests: the paths that were asked for.
        answers: what answers JSON that is posted to a path.
        busy: whether it answers 503 to the first request for each of them.
        endless: the paths whose files have no end.
        held: the paths of whose files one half is sent, and the other once the event is set.
        sent: how many bytes of these went out.

    """

    def __init__(self, folder: Path) -> None:
        super().__init__(_Handler)
        self.folder = folder
        self.requests: list[str] = []
        self.answers: dict[str, Callable[[Any], Any]] = {}
        self.busy = False
        self.endless: set[str] = set()
        self.sent = 0
        self.held: dict[str, Event] = {}

    def place(self, url: str) -> Path:
        """Return where the file lies that is served for an upstream address."""
        path = self.folder / url.partition("://")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class _Handler(Handler, SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    server: Mirror

    def __init__(self, request: Any, client: Any, server: Mirror) -> None:
        super().__init__(request, client, server, directory=str(server.folder))

    def get(self) -> None:
        first = self.path not in self.server.requests
        self.server.requests.append(self.path)
        if first and self.server.busy:
            self.send_error(503)
            return
        if self.path in self.server.endless:
            self._send_for_ever()
            return
        if self.path in self.server.held:
            self._send_in_halves(self.server.held[self.path])
            return
        SimpleHTTPRequestHandler.do_GET(self)

    def do_POST(self) -> None:
        self.close_connection = True
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(self.path)
        answer = self.server.answers.get(self.path)
        if answer is None:
            self.send_error(404)
            return
        body = json.dumps(answer(asked)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_in_halves(self, released: Event) -> None:
        data = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(data[: len(data) // 2])
            released.wait(_PATIENCE)
            self.wfile.write(data[len(data) // 2 :])

    def _send_for_ever(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(ConnectionError):
            while True:
                self.server.sent += self.wfile.write(b"0" * 65536)
