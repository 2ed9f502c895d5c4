"""A web server that serves `https://host/path` as `/host/path` from a folder."""

from __future__ import annotations

from http.server import SimpleHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from harness.server import Handler, Server

if TYPE_CHECKING:
    from pathlib import Path


class Mirror(Server):
    """The server.

    Attributes:
        folder: what it serves.
        requests: the paths that were asked for.
        busy: whether it answers 503 to the first request for each of them.

    """

    def __init__(self, folder: Path) -> None:
        super().__init__(_Handler)
        self.folder = folder
        self.requests: list[str] = []
        self.busy = False

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
        SimpleHTTPRequestHandler.do_GET(self)
