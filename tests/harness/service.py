"""A web API that tells versions: scripted answers, ETags, and a record of what was asked."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.server import Handler, Server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message


@dataclass(frozen=True)
class Reply:
    """One answer; `validated` ones have an ETag and are 304 to whoever knows it.

    It waits at `meet` for other requests that do, which proves that they come side by side.
    """

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    validated: bool = True
    meet: threading.Barrier | None = None

    @property
    def etag(self) -> str:
        """What identifies the body; weak, as GitHub's are."""
        return f'W/"{hashlib.sha256(self.body).hexdigest()[:16]}"'


@dataclass(frozen=True)
class Asked:
    """A request, and the status it was answered with."""

    path: str
    headers: Message
    status: int


class Service(Server):
    """Answers each path, query included, with the next of its replies; the last one stays."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.asked: list[Asked] = []
        self._replies: dict[str, list[Reply]] = {}
        self._guard = threading.Lock()

    def offer(self, path: str, *replies: Reply | Any) -> str:
        """Set the replies to a path: a `Reply`, a text, or a value that is sent as JSON."""
        self._replies[path] = [_reply(reply) for reply in replies]
        return self.url + path

    @property
    def statuses(self) -> list[int]:
        """What was answered."""
        return [asked.status for asked in self.asked]

    def next(self, path: str, headers: Message) -> Reply:
        """Return the reply to a request, and record both."""
        with self._guard:
            replies = self._replies.get(path, [Reply(b"{}", 404)])
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
            if reply.validated and headers["If-None-Match"] == reply.etag:
                reply = Reply(b"", 304, {"ETag": reply.etag, **reply.headers}, validated=False)
            self.asked.append(Asked(path, headers, reply.status))
            return reply


class _Handler(Handler):
    server: Service
    do_HEAD = Handler.do_GET  # noqa: N815  named by http.server

    def get(self) -> None:
        reply = self.server.next(self.path, self.headers)
        if reply.meet:
            reply.meet.wait()
        self.send_response(reply.status)
        headers = {"Content-Length": str(len(reply.body)), **reply.headers}
        if reply.status == 304:
            del headers["Content-Length"]
        elif reply.validated:
            headers["ETag"] = reply.etag
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)


def _reply(value: Reply | Any) -> Reply:
    if isinstance(value, Reply):
        return value
    if isinstance(value, str):
        return Reply(value.encode(), headers={"Content-Type": "text/plain; charset=utf-8"})
    return Reply(json.dumps(value).encode(), headers={"Content-Type": "application/json"})


def paged(service: Service, path: str, pages: list[Any], **headers: str) -> None:
    """Offer pages that lead on by `Link`, as GitHub and GitLab do: PATH&page=2 and so on."""
    addresses = [path, *(f"{path}&page={number}" for number in range(2, len(pages) + 1))]
    for index, (address, page) in enumerate(zip(addresses, pages, strict=True)):
        links = [f'<{service.url}{addresses[-1]}>; rel="last"']
        if index + 1 < len(pages):
            links.insert(0, f'<{service.url}{addresses[index + 1]}>; rel="next"')
        extra = {"Content-Type": "application/json", "Link": ", ".join(links), **headers}
        service.offer(address, Reply(json.dumps(page).encode(), headers=extra))
