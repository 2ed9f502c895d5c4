"""A web server on this computer, for as long as a block lasts."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from socketserver import BaseRequestHandler


class Server(ThreadingHTTPServer):
    """Serves from threads, inside of a `with`, at a port that was free."""

    request_queue_size = 64
    scheme = "http"

    def __init__(self, handler: type[BaseRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        """Serve until the end of the block."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.shutdown()
        self._thread.join()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers one GET for each connection, by `get`, and keeps no log."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self.close_connection = True
        self.get()

    def get(self) -> None:
        """Answer."""
        raise NotImplementedError

    def end_headers(self) -> None:
        """Tell a client that its connection ends here: it would send the next request into it."""
        if self.close_connection:
            self.send_header("Connection", "close")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
