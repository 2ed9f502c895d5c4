"""A GitHub that keeps releases and pull requests in memory, as documented.

It fails where a test wants it to.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

from harness.server import Handler, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Fault = Literal["before", "after", "half", "limited", "busy"]
FAULTS: tuple[Fault, ...] = ("before", "after", "half", "limited", "busy")
REPOSITORY = "me/bakery"
DOWNLOADS = f"/{REPOSITORY}/releases/download"
TOKEN = "ghs_of-the-tests"

_TIME = "2026-01-02T03:04:05Z"
_PAGE = 2  # so that few releases need several pages


@dataclass
class Asset:
    id: int
    name: str
    data: bytes
    state: str = "uploaded"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Release:
    id: int
    tag: str
    name: str
    body: str = ""
    draft: bool = True
    immutable: bool = False
    assets: dict[int, Asset] = field(default_factory=dict)

    def named(self, name: str) -> Asset | None:
        return next((asset for asset in self.assets.values() if asset.name == name), None)

    @property
    def files(self) -> dict[str, bytes]:
        """What readers can download."""
        return {each.name: each.data for each in self.assets.values() if each.state == "uploaded"}


@dataclass
class PullRequest:
    """A pull request; `head` is `OWNER:BRANCH`."""

    number: int
    head: str
    base: str
    title: str
    body: str
    state: str = "open"


class _RefusedError(Exception):
    def __init__(self, status: int, message: str, **error: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "errors": [error] if error else []}


class GitHub(Server):
    """The server.

    Attributes:
        shown: the address in links, where that is another one.
        releases: the releases by id.
        requests: what was asked, as method and path.
        fault: the number of the request to fail, and how; `busy` and `limited` refuse it.
        watch: called with the public releases after every change, as readers may come any time.
        refuses: what it answers instead, by the pattern of method and path: status and message,
            and the reasons that it gives.
        uploads: the server that takes assets, where that is another one.
        immutable: whether releases are frozen when they are published.
        following: the address of each page's next one, where that is another one.
        pulls: the pull requests.
        dispatched: the workflows that were started, and on which branch.

    """

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.shown = self.url
        self.releases: dict[int, Release] = {}
        self.requests: list[str] = []
        self.fault: tuple[int, Fault] | None = None
        self.watch: Callable[[list[Release]], None] = lambda _public: None
        self.refuses: dict[str, tuple[int, str, list[dict[str, str]]]] = {}
        self.uploads: str | None = None
        self.immutable = False
        self.following: str | None = None
        self.pulls: list[PullRequest] = []
        self.dispatched: list[tuple[str, str]] = []
        self.guard = threading.RLock()
        self.ids = itertools.count(1)

    @property
    def environment(self) -> dict[str, str]:
        """What points a client here."""
        return {"GITHUB_API_URL": self.shown, "GITHUB_TOKEN": TOKEN}

    @property
    def public(self) -> list[Release]:
        """What readers see."""
        return [release for release in self.releases.values() if not release.draft]

    @property
    def drafts(self) -> list[Release]:
        """What only writers see."""
        return [release for release in self.releases.values() if release.draft]

    @contextmanager
    def listening(self, path: Path) -> Iterator[None]:
        """Answer at a socket, too, which `gh` is told with the setting `http_unix_socket`."""
        with _Socket(
            str(path), lambda request, _, __: _Handler(request, ("gh", 0), self)
        ) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()

    def handle_error(self, *_: object) -> None:
        """Be silent about clients that hang up."""

    # What the API does

    def list_releases(self, query: dict[str, list[str]]) -> tuple[int, Any, dict[str, str]]:
        page = int(query.get("page", ["1"])[0])
        found = sorted(self.releases.values(), key=lambda release: -release.id)
        body = [
            self.described_release(release) for release in found[(page - 1) * _PAGE : page * _PAGE]
        ]
        next_page = f"{self.shown}/repos/{REPOSITORY}/releases?per_page=100&page={page + 1}"
        next_page = self.following or next_page
        more = page * _PAGE < len(found) or self.following
        return 200, body, {"Link": f'<{next_page}>; rel="next"'} if more else {}

    def create(self, fields: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        release = Release(next(self.ids), fields["tag_name"], fields["name"], draft=fields["draft"])
        self._check_tag(release)
        self.releases[release.id] = release
        where = f"{self.shown}/repos/{REPOSITORY}/releases/{release.id}"
        return 201, self.described_release(release), {"Location": where}

    def edit(self, release: Release, fields: dict[str, Any]) -> tuple[int, Any]:
        if not fields.get("draft", release.draft):
            self._check_tag(release)
        if release.draft and not fields.get("draft", True):
            release.immutable = self.immutable
        release.draft = fields.get("draft", release.draft)
        release.name = fields.get("name", release.name)
        release.body = fields.get("body", release.body)
        return 200, self.described_release(release)

    def start_upload(self, release: Release, name: str) -> Asset:
        if release.immutable:
            raise _RefusedError(422, "Cannot upload assets to an immutable release.")
        stored = re.sub(r"[^A-Za-z0-9._+@-]", ".", name)
        self._check_name(release, stored)
        asset = Asset(next(self.ids), stored, b"", "starter")
        release.assets[asset.id] = asset
        return asset

    def rename(self, release: Release, asset: Asset, name: str) -> tuple[int, Any]:
        self._check_name(release, name)
        asset.name = name
        return 200, self.described(release, asset)

    def find_release(self, number: str) -> Release:
        if int(number) not in self.releases:
            raise _RefusedError(404, "Not Found")
        return self.releases[int(number)]

    def find_asset(self, number: str) -> tuple[Release, Asset]:
        for release in self.releases.values():
            if int(number) in release.assets:
                return release, release.assets[int(number)]
        raise _RefusedError(404, "Not Found")

    def _check_tag(self, release: Release) -> None:
        if any(other.tag == release.tag for other in self.public if other is not release):
            problem = {"resource": "Release", "code": "already_exists", "field": "tag_name"}
            raise _RefusedError(422, "Validation Failed", **problem)

    def _check_name(self, release: Release, name: str) -> None:
        if release.named(name):
            problem = {"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}
            raise _RefusedError(422, "Validation Failed", **problem)

    def open_pull(self, fields: dict[str, Any]) -> tuple[int, Any]:
        head = f"{REPOSITORY.partition('/')[0]}:{fields.pop('head')}"
        if any((each.head, each.state) == (head, "open") for each in self.pulls):
            raise _RefusedError(422, f"A pull request already exists for {head}.")
        pull = PullRequest(next(self.ids), head, **fields)
        self.pulls.append(pull)
        return 201, self.described_pull(pull)

    def edit_pull(self, number: str, fields: dict[str, Any]) -> tuple[int, Any]:
        pull = next((each for each in self.pulls if each.number == int(number)), None)
        if pull is None:
            raise _RefusedError(404, "Not Found")
        pull.body = fields["body"]
        return 200, self.described_pull(pull)

    def list_pulls(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        asked = (query["head"][0], query["state"][0])
        chosen = [pull for pull in self.pulls if (pull.head, pull.state) == asked]
        return 200, [self.described_pull(pull) for pull in chosen]

    # What the API says

    @staticmethod
    def described_pull(pull: PullRequest) -> dict[str, Any]:
        return {
            "number": pull.number,
            "state": pull.state,
            "title": pull.title,
            "body": pull.body,
            "head": {"label": pull.head},
            "base": {"ref": pull.base},
        }

    def described_release(self, release: Release) -> dict[str, Any]:
        path = f"/repos/{REPOSITORY}/releases/{release.id}"
        url = f"{self.shown}{path}"
        return {
            "url": url,
            "html_url": url,
            "assets_url": f"{url}/assets",
            "upload_url": f"{(self.uploads or self.shown)}{path}/assets{{?name,label}}",
            "tarball_url": None,
            "zipball_url": None,
            "id": release.id,
            "node_id": "x",
            "tag_name": release.tag,
            "target_commitish": "main",
            "name": release.name,
            "body": release.body,
            "draft": release.draft,
            "prerelease": False,
            "immutable": release.immutable,
            "created_at": _TIME,
            "published_at": None if release.draft else _TIME,
            "author": _user(),
            "assets": [self.described(release, asset) for asset in release.assets.values()],
        }

    def described(self, release: Release, asset: Asset) -> dict[str, Any]:
        return {
            "url": f"{self.shown}/repos/{REPOSITORY}/releases/assets/{asset.id}",
            "browser_download_url": f"{self.shown}/{release.tag}/{asset.name}",
            "id": asset.id,
            "node_id": "x",
            "name": asset.name,
            "label": None,
            "state": asset.state,
            "content_type": "application/octet-stream",
            "size": len(asset.data),
            "digest": f"sha256:{asset.sha256}" if asset.state == "uploaded" else None,
            "download_count": 0,
            "created_at": _TIME,
            "updated_at": _TIME,
            "uploader": _user(),
        }


class _Socket(ThreadingMixIn, UnixStreamServer):
    pass


class _Handler(Handler):
    server: GitHub

    def handle_one_request(self) -> None:
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(65537)
        if self.raw_requestline and self.parse_request():
            self._serve()

    def _serve(self) -> None:
        server = self.server
        with server.guard:
            server.requests.append(f"{self.command} {self.path}")
            fault = server.fault
            how = fault[1] if fault and fault[0] == len(server.requests) else None
        parts = urlsplit(self.path)
        size = int(self.headers["Content-Length"] or 0)
        if how == "before":
            self.rfile.read(size)
            self._hang_up()
        elif how == "limited":
            self.rfile.read(size)
            limit = {"message": "You have exceeded a secondary rate limit"}
            self._answer(403, limit, {"Retry-After": "1"})
        elif refusal := self._refusal():
            self.rfile.read(size)
            status, message, errors = refusal
            self._answer(status, {"message": message, "errors": errors})
        elif self.command == "POST" and parts.path.endswith("/assets"):
            self._upload(parts.path, parse_qs(parts.query), size, how)
        else:
            self._act(parts.path, parse_qs(parts.query), self.rfile.read(size), how)

    def _refusal(self) -> tuple[int, str, list[dict[str, str]]] | None:
        asked = f"{self.command} {self.path}"
        found = (answer for asks, answer in self.server.refuses.items() if re.search(asks, asked))
        return next(found, None)

    def _upload(self, path: str, query: dict[str, list[str]], size: int, how: Fault | None) -> None:
        """Take an asset; between its beginning and its end others see it as `starter`."""
        server = self.server
        try:
            with server.guard:
                self._check_token()
                release = server.find_release(path.split("/")[-2])
                asset = server.start_upload(release, query["name"][0])
                server.watch(server.public)
        except _RefusedError as refused:
            self.rfile.read(size)
            self._answer(refused.status, refused.body)
            return
        data = self.rfile.read(size // 2 if how == "half" else size)
        if how == "half" or len(data) < size:
            self._hang_up()
        elif how == "busy":
            self._answer(502, {"message": "Server Error"})
        else:
            with server.guard:
                asset.data, asset.state = data, "uploaded"
                server.watch(server.public)
                gone = asset.id not in release.assets
                body = server.described(release, asset)
            if how == "after":
                self._hang_up()
            else:
                self._answer(*((404, {"message": "Not Found"}) if gone else (201, body)))

    def _act(self, path: str, query: dict[str, list[str]], data: bytes, how: Fault | None) -> None:
        server = self.server
        headers: dict[str, str] = {}
        if how == "busy":
            self._answer(502, {"message": "Server Error"})
            return
        try:
            with server.guard:
                self._check_token()
                status, body, *more = self._route(path, query, data)
                headers = more[0] if more else {}
                if self.command != "GET":
                    server.watch(server.public)
        except _RefusedError as refused:
            status, body = refused.status, refused.body
        if how == "after":
            self._hang_up()
        else:
            self._answer(status, body, headers, half=how == "half")

    def _check_token(self) -> None:
        if self.path.startswith(f"{DOWNLOADS}/"):
            return  # anybody may
        if self.path.startswith("/files/"):  # the storage's addresses are signed, and no API's
            if self.headers["Authorization"]:
                raise _RefusedError(400, "Only one auth mechanism allowed")
        elif self.headers["Authorization"] not in (f"Bearer {TOKEN}", f"token {TOKEN}"):
            raise _RefusedError(401, "Bad credentials")

    def _route(  # noqa: C901, PLR0911  one for each request there is
        self, path: str, query: dict[str, list[str]], data: bytes
    ) -> tuple[Any, ...]:
        server = self.server
        match self.command, *path.removeprefix(f"/repos/{REPOSITORY}/").split("/"):
            case "GET", *_, tag, name if path.startswith(f"{DOWNLOADS}/"):
                found = [each.files.get(name) for each in server.public if each.tag == tag]
                if found and found[0] is not None:
                    return 200, found[0]
            case "GET", "releases":
                return server.list_releases(query)
            case "POST", "releases":
                return server.create(json.loads(data))
            case "PATCH", "releases", number:
                return server.edit(server.find_release(number), json.loads(data))
            case "GET", "releases", number if number.isdecimal():
                return 200, server.described_release(server.find_release(number))
            case "DELETE", "releases", number:
                del server.releases[server.find_release(number).id]
                return 204, b""
            case "GET", "releases", "assets", number:
                server.find_asset(number)
                where = f"http://localhost:{server.server_port}/files/{number}"
                return 302, {}, {"Location": where}
            case "GET", "", "files", number:
                return 200, server.find_asset(number)[1].data
            case "PATCH", "releases", "assets", number:
                return server.rename(*server.find_asset(number), json.loads(data)["name"])
            case "DELETE", "releases", "assets", number:
                release, asset = server.find_asset(number)
                del release.assets[asset.id]
                return 204, b""
            case _, ("pulls" | "actions"), *_:
                return self._route_change(path, query, data)
        raise _RefusedError(404, "Not Found")

    def _route_change(self, path: str, query: dict[str, list[str]], data: bytes) -> tuple[Any, ...]:
        server = self.server
        match self.command, *path.removeprefix(f"/repos/{REPOSITORY}/").split("/"):
            case "GET", "pulls":
                return server.list_pulls(query)
            case "POST", "pulls":
                return server.open_pull(json.loads(data))
            case "PATCH", "pulls", number:
                return server.edit_pull(number, json.loads(data))
            case "POST", "actions", "workflows", workflow, "dispatches":
                server.dispatched.append((workflow, json.loads(data)["ref"]))
                return 204, b""
        raise _RefusedError(404, "Not Found")

    def _answer(
        self, status: int, body: Any, headers: dict[str, str] | None = None, *, half: bool = False
    ) -> None:
        raw = isinstance(body, bytes)
        data = body if raw else json.dumps(body).encode()
        self.send_response(status)
        if status != 204:
            kind = "application/octet-stream" if raw else "application/json; charset=utf-8"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
        for name, value in {"Connection": "close", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if half else data)
        if half:
            self._hang_up()

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)


def _user() -> dict[str, Any]:
    url = "https://github.example/me"
    words = (
        *("avatar_url", "html_url", "url", "followers_url", "following_url", "gists_url"),
        *("starred_url", "subscriptions_url", "organizations_url", "repos_url"),
        *("events_url", "received_events_url"),
    )
    return {
        **dict.fromkeys(words, url),
        "login": "me",
        "id": 1,
        "node_id": "x",
        "gravatar_id": "",
        "type": "User",
        "site_admin": False,
    }
