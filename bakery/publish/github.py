"""GitHub's releases (https://docs.github.com/rest/releases).

What GitHub does, and this module is made for: a draft is seen by its repository's writers alone;
several drafts may have one tag, but only one public release; an upload that was cut leaves an asset
in the state `starter`; names are changed where GitHub does not like a character; a second asset of
one name is refused with 422; too many requests are answered with 403 or 429.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from bakery.http.address import shown
from bakery.http.causes import explain, is_permanent
from bakery.http.retry import RETRY_AFTER_LIMIT, Patience
from bakery.publish.model import Posted, PublishError, Stored, UnsettledError
from bakery.upstream import github
from bakery.upstream.refusal import asked_to_wait, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from requests import Response, Session

    from bakery.publish.model import Visibility

_T = TypeVar("_T")
_LARGEST = 2 << 30  # bytes; an asset must be smaller
_CHUNK = 1 << 20
_DRAFT = "{tag}, a draft of {owner}"
_VERSION = "2022-11-28"
_RIGHTS = "see that BAKERY_PUBLISHER names the repository, and that GITHUB_TOKEN may write to it"
_TRANSIENT = {
    HTTPStatus.NOT_FOUND,  # another publisher has removed it
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,  # another publisher was faster, or ours was already done
    HTTPStatus.TOO_MANY_REQUESTS,
}


class _Asset(msgspec.Struct):
    id: int
    name: str
    size: int
    state: str
    digest: str | None = None


class _Release(msgspec.Struct):
    id: int
    tag_name: str
    draft: bool
    upload_url: str
    name: str | None = None
    assets: list[_Asset] = []


class Github:
    """The releases of a repository."""

    def __init__(
        self,
        repository: str,
        owner: str,
        *,
        environment: Mapping[str, str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Use a repository.

        Args:
            repository: OWNER/REPO.
            owner: whose drafts are ours.
            environment: where GITHUB_API_URL and GITHUB_TOKEN are looked for.
            patience: for its time limits.

        """
        environment = os.environ if environment is None else environment
        self._url = f"{github.base(environment)}/repos/{repository}"
        self._token = github.token(environment)
        self._owner = owner
        self._patience = patience or Patience()
        self._uploads: dict[str, str] = {}

    def releases(self) -> list[Posted]:
        """Return all releases; whoever may not write to the repository sees no drafts."""
        url: str | None = f"{self._url}/releases?per_page=100"
        found = []
        while url is not None:
            response = self._request("GET", url)
            found += [self._posted(release) for release in _decoded(response, list[_Release])]
            url = response.links.get("next", {}).get("url")
        return found

    def find(self, tag: str) -> list[Posted]:
        """Return the releases of one tag; drafts are found in the list of all alone."""
        return [release for release in self.releases() if release.tag == tag]

    def draft(self, tag: str) -> None:
        """Create a draft, whose name tells whose it is."""
        name = _DRAFT.format(tag=tag, owner=self._owner)
        fields = {"tag_name": tag, "name": name, "draft": True}
        self._request("POST", f"{self._url}/releases", json=fields)

    def upload(self, release: Posted, name: str, file: Path) -> None:
        """Upload an asset."""
        if file.stat().st_size >= _LARGEST:
            raise PublishError(
                "GitHub takes no asset of 2 GiB or more",
                where=str(file),
                fix="make it smaller: BAKERY_PROFILE=small",
            )
        url = f"{self._uploads[release.id]}?name={quote(name, safe='')}"
        with file.open("rb") as body:
            response = self._request(
                "POST", url, data=body, headers={"Content-Type": "application/octet-stream"}
            )
        stored = _decoded(response, _Asset)
        if stored.name != name:
            self.delete(release, _stored(stored))
            raise PublishError(
                f"GitHub stores {name} as {stored.name}",
                where=release.tag,
                why="hosts look for the name that is in SHA256SUMS",
                fix="use letters, digits and .-_+ alone in names and versions",
            )

    def publish(self, draft: Posted, *, title: str, notes: str) -> None:
        """Publish a draft; GitHub refuses that while another release of its tag is public."""
        fields = {"draft": False, "name": title, "body": notes}
        self._request("PATCH", f"{self._url}/releases/{draft.id}", json=fields)

    def replace(self, release: Posted, asset: Stored, name: str) -> None:
        """Rename an asset; GitHub wants the one of that name to go the moment before."""
        old = release.asset(name)
        if old is not None:
            self.delete(release, old)
        self._request("PATCH", self._asset(asset), json={"name": name})

    def delete(self, release: Posted, asset: Stored) -> None:  # noqa: ARG002  ids are unique
        """Delete an asset."""
        self._request("DELETE", self._asset(asset))

    def discard(self, draft: Posted) -> None:
        """Delete a draft."""
        self._request("DELETE", f"{self._url}/releases/{draft.id}")

    def fetch(self, release: Posted, asset: Stored, target: Path) -> None:
        """Download an asset."""
        where = f"{release.tag}/{asset.name}"
        headers = {"Accept": "application/octet-stream", "Accept-Encoding": "identity"}
        digest = hashlib.sha256()
        with (
            _connected(where),
            target.open("wb") as file,
            self._request("GET", self._asset(asset), headers=headers, stream=True) as response,
        ):
            for chunk in response.iter_content(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != asset.sha256:
            raise UnsettledError("a download was cut or altered", where=where)

    # Requests

    @cached_property
    def _session(self) -> Session:
        import requests

        if not self._token.value:
            raise PublishError(
                "GitHub lets nobody publish without a token",
                where=shown(self._url),
                fix="set GITHUB_TOKEN to one that may write the repository's contents",
            )
        session = requests.Session()
        session.auth = self._token
        session.headers.update(
            {
                "Accept": github.ACCEPT,
                "User-Agent": "sysext-bakery",
                "X-GitHub-Api-Version": _VERSION,
            }
        )
        return session

    def _request(self, method: str, url: str, **options: Any) -> Response:
        timeout = (self._patience.connect, self._patience.stall)
        with _connected(url):
            response = self._session.request(method, url, timeout=timeout, **options)
        if response.ok:
            return response
        with response:
            raise _refusal(response)

    def _asset(self, asset: Stored) -> str:
        return f"{self._url}/releases/assets/{asset.id}"

    def _posted(self, release: _Release) -> Posted:
        found = str(release.id)
        self._uploads[found] = release.upload_url.partition("{")[0]  # RFC 6570: {?name,label}
        return Posted(
            tag=release.tag_name,
            id=found,
            visibility=self._visibility(release),
            assets=tuple(_stored(asset) for asset in release.assets),
        )

    def _visibility(self, release: _Release) -> Visibility:
        if not release.draft:
            return "public"
        ours = _DRAFT.format(tag=release.tag_name, owner=self._owner)
        return "draft" if release.name == ours else "foreign"


def _stored(asset: _Asset) -> Stored:
    sha256 = re.fullmatch(r"sha256:([0-9a-f]{64})", asset.digest or "")
    return Stored(
        name=asset.name,
        size=asset.size,
        sha256=sha256[1] if sha256 else None,
        id=str(asset.id),
        whole=asset.state == "uploaded",
    )


@contextmanager
def _connected(where: str) -> Iterator[None]:
    from requests import exceptions
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (exceptions.RequestException, HTTPError) as error:
        what = "GitHub can't be reached"
        if is_permanent(error):
            raise PublishError(
                what, where=shown(where), why=explain(error), fix="check the network and the proxy"
            ) from error
        raise UnsettledError(what, where=shown(where), why=explain(error)) from error


def _refusal(response: Response) -> PublishError | UnsettledError:
    status = response.status_code
    what = "GitHub refuses a request"
    where = f"{response.request.method} {shown(response.url)}"
    why = f"HTTP {status} {said(response)}".strip()
    wait = asked_to_wait(response)
    if wait is not None and wait > RETRY_AFTER_LIMIT:
        return PublishError(
            "GitHub wants no more requests for now",
            where=where,
            why=why,
            fix=f"run it again in {wait / 60:.0f} minutes: it continues",
        )
    listing = response.request.method == "GET" and status == HTTPStatus.NOT_FOUND
    if listing and "/assets/" not in response.url:
        return PublishError("GitHub knows no such repository", where=where, why=why, fix=_RIGHTS)
    if wait is not None or status in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnsettledError(what, where=where, why=why, wait=wait or 0)
    return PublishError(what, where=where, why=why, fix=_RIGHTS)


def _decoded(response: Response, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except ValueError as error:
        raise PublishError(
            "GitHub answers with something else than its documentation says",
            where=shown(response.url),
            why=str(error),
            fix="look whether a proxy or a login page answered, or the API has changed",
        ) from None
