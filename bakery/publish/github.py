"""GitHub's releases (https://docs.github.com/rest/releases).

What GitHub does, and this module is made for: a draft is seen by its repository's writers alone;
several drafts may have one tag, but only one public release; an upload that was cut leaves an asset
in the state `starter`; names are changed where GitHub does not like a character; a second asset of
one name is refused with 422; too many requests are answered with 403 or 429.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, suppress
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from bakery.decoding import from_json
from bakery.http.address import origin, shown
from bakery.http.client import Client, pages
from bakery.http.errors import RateLimitedError, RequestError, TransientError
from bakery.publish.model import NEXT, PublishError, RemoteAsset, RemoteRelease, UnsettledError
from bakery.upstream import github
from bakery.upstream.github import GithubAsset, GithubRelease

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from requests import Response

    from bakery.http.credentials import Token
    from bakery.publish.model import Visibility

_T = TypeVar("_T")
_LARGEST = 2 << 30  # bytes; an asset must be smaller
_DRAFT = "{tag}, a draft of {owner}"
_HEADERS = {"Accept": github.ACCEPT, "X-GitHub-Api-Version": "2022-11-28"}
_BYTES = "application/octet-stream"
_RIGHTS = "see that BAKERY_PUBLISHER names the repository, and that GITHUB_TOKEN may write to it"
_WAYS_OUT = {
    "immutable": "what is published with immutable releases on never changes, and its tag is used\n"
    "up: publish another version, and keep channels elsewhere: BAKERY_CHANNELS",
    "rule": "a ruleset of the repository forbids it: let the token's owner create tags, or leave\n"
    "these tags out (Settings, Rules, Rulesets)",
    "empty": "the repository has no commit that a tag could name: push one, then run it again",
}


class Github:
    """The releases of a repository.

    Args:
        repository: OWNER/REPO.
        owner: whose drafts are ours.
        environment: where GITHUB_API_URL and GITHUB_TOKEN are looked for.
        client: asks GitHub; None for the usual retries, of downloads alone, and limits. Of all
            else, who looks at its effect first decides whether it is tried again.

    """

    def __init__(
        self,
        repository: str,
        owner: str,
        *,
        environment: Mapping[str, str] = os.environ,
        client: Client | None = None,
    ) -> None:
        self._api = github.base(environment)
        self._url = f"{self._api}/repos/{repository}"
        self._token = github.token(environment)
        self._owner = owner
        self._client = client or Client()
        self._once = replace(self._client, retry=replace(self._client.retry, tries=1))
        self._uploads: dict[str, str] = {}

    def releases(self) -> list[RemoteRelease]:
        """Return all releases; whoever may not write to the repository sees no drafts."""
        url = f"{self._url}/releases?per_page=100"
        with _in_words("GET", url):
            return [
                self._release_of(release)
                for page in pages(self._page, url)
                for release in _decoded(page, list[GithubRelease])
            ]

    def find(self, tag: str) -> list[RemoteRelease]:
        """Return the releases of one tag; drafts are found in the list of all alone."""
        return [release for release in self.releases() if release.tag == tag]

    def draft(self, tag: str) -> None:
        """Create a draft, whose name tells whose it is."""
        name = _DRAFT.format(tag=tag, owner=self._owner)
        fields = {"tag_name": tag, "name": name, "draft": True}
        self._request("POST", f"{self._url}/releases", json=fields)

    def upload(self, release: RemoteRelease, name: str, file: Path) -> None:
        """Upload an asset."""
        if file.stat().st_size >= _LARGEST:
            raise PublishError(
                "GitHub takes no asset of 2 GiB or more",
                where=str(file),
                fix="make it smaller: BAKERY_PROFILE=small",
            )
        url = f"{self._uploads[release.id]}?name={quote(name, safe='')}"
        token = replace(self._token, api=url)  # a server of GitHub's too, as was checked
        headers = {"Content-Type": _BYTES}
        with file.open("rb") as body, self._looking_after(release):
            response = self._request("POST", url, token=token, data=body, headers=headers)
        stored = _decoded(response, GithubAsset)
        if stored.name != name:
            self.delete(release, _asset_of(stored))
            raise PublishError(
                f"GitHub stores {name} as {stored.name}",
                where=release.tag,
                why="hosts look for the name that is in SHA256SUMS",
                fix="use letters, digits and .-_+ alone in names and versions",
            )

    def publish(self, draft: RemoteRelease, notes: str) -> None:
        """Publish a draft; GitHub refuses that while another release of its tag is public."""
        fields = {"draft": False, "name": draft.tag, "body": notes}
        with self._looking_after(draft):
            self._request("PATCH", self._release(draft), json=fields)

    def swap(self, release: RemoteRelease, names: Sequence[str]) -> None:
        """Rename assets; GitHub wants the ones of these names to go before.

        The last two change together: both go, and then both come.
        """
        for together in (*([name] for name in names[:-2]), names[-2:]):
            for name in together:
                old = release.asset(name)
                if old is not None and release.asset(name + NEXT):
                    self.delete(release, old)
            for name in together:
                staged = release.asset(name + NEXT)
                if staged is not None:
                    self._request("PATCH", self._asset(staged), json={"name": name})

    def delete(self, release: RemoteRelease, asset: RemoteAsset) -> None:  # noqa: ARG002  ids are unique
        """Delete an asset."""
        self._delete(self._asset(asset))

    def discard(self, draft: RemoteRelease) -> None:
        """Delete a draft."""
        self._delete(self._release(draft))

    def fetch(self, release: RemoteRelease, asset: RemoteAsset, target: Path) -> None:
        """Download an asset."""
        where = f"{release.tag}/{asset.name}"
        url = self._asset(asset)
        digest = hashlib.sha256()
        with _in_words("GET", url), target.open("wb") as file:

            def write(chunk: bytes) -> None:
                digest.update(chunk)
                file.write(chunk)

            accept = {"Accept": _BYTES}
            self._client.copy(url, write, size=asset.size, token=self._token, headers=accept)
        if digest.hexdigest() != asset.sha256:
            raise UnsettledError("a download was cut or altered", where=where)

    # Requests

    def _page(self, url: str) -> Response:
        if not self._token.is_for(url):
            raise self._elsewhere("its list of releases", url)
        return self._request("GET", url)

    def _request(
        self,
        method: str,
        url: str,
        *,
        token: Token | None = None,
        headers: Mapping[str, str] | None = None,
        **content: Any,
    ) -> Response:
        """Send one request.

        Raises:
            UnsettledError: it failed, and may have had its effect or not.
            PublishError: it is refused.

        """
        if not self._token.value and method != "GET":
            raise PublishError(
                "GitHub lets nobody publish without a token",
                where=shown(self._url),
                fix="set GITHUB_TOKEN to one that may write the repository's contents",
            )
        with _in_words(method, url):
            return self._once.request(
                method,
                url,
                token=token or self._token,
                headers={**_HEADERS, **(headers or {})},
                **content,
            )

    def _delete(self, url: str) -> None:
        """Delete what another publisher may have deleted in between."""
        with suppress(_MissingError):
            self._request("DELETE", url)

    @contextmanager
    def _looking_after(self, release: RemoteRelease) -> Iterator[None]:
        """Look whether a release that is said not to be there is gone; others change public ones.

        Raises:
            UnsettledError: it is gone: another publisher has removed it.
            PublishError: it is there, and can't be changed.

        """
        try:
            yield
        except _MissingError as error:
            if release.visibility == "draft":
                self._request("GET", self._release(release))
                raise PublishError(
                    error.what, where=error.where, why=error.why, fix=_RIGHTS
                ) from error
            raise

    def _release(self, release: RemoteRelease) -> str:
        return f"{self._url}/releases/{release.id}"

    def _asset(self, asset: RemoteAsset) -> str:
        return f"{self._url}/releases/assets/{asset.id}"

    def _release_of(self, release: GithubRelease) -> RemoteRelease:
        number = str(release.id)
        self._uploads[number] = self._upload_url(release)
        return RemoteRelease(
            tag=release.tag_name,
            id=number,
            visibility=self._visibility(release),
            immutable=release.immutable,
            assets=tuple(_asset_of(asset) for asset in release.assets),
        )

    def _upload_url(self, release: GithubRelease) -> str:
        """Return where a release's assets go: the API's server, or its sister `uploads.…`."""
        url = release.upload_url.partition("{")[0]  # RFC 6570: {?name,label}
        scheme, host, port = origin(self._api)
        sister = (scheme, f"uploads.{host.removeprefix('api.')}", port)
        if origin(url) not in ((scheme, host, port), sister):
            raise self._elsewhere("the place for uploads", url)
        return url

    def _elsewhere(self, what: str, url: str) -> PublishError:
        return PublishError(
            f"GitHub names another server for {what}",
            where=shown(url),
            why=f"the token is for {shown(self._api)} alone",
            fix="look whether GITHUB_API_URL is right, or what answers in GitHub's place",
        )

    def _visibility(self, release: GithubRelease) -> Visibility:
        if not release.draft:
            return "public"
        ours = _DRAFT.format(tag=release.tag_name, owner=self._owner)
        return "draft" if release.name == ours else "foreign"


class _MissingError(UnsettledError):
    """GitHub has no such thing, though it was listed: somebody else may have removed it."""


def _asset_of(asset: GithubAsset) -> RemoteAsset:
    return RemoteAsset(
        name=asset.name,
        size=asset.size,
        sha256=asset.sha256,
        id=str(asset.id),
        whole=asset.state == "uploaded",
    )


@contextmanager
def _in_words(method: str, url: str) -> Iterator[None]:
    try:
        yield
    except RequestError as error:
        raise _explained(error, method, url) from error


def _explained(error: RequestError, method: str, url: str) -> PublishError | UnsettledError:
    where, why = f"{method} {shown(url)}", str(error)
    what = "GitHub can't be asked" if error.status is None else "GitHub refuses a request"
    # Another publisher was faster, or ours was already done
    if isinstance(error, TransientError) or "already_exists" in error.codes:
        return UnsettledError(what, where=where, why=why, wait=error.wait)
    listed = not url.partition("?")[0].endswith("/releases")
    if error.status == HTTPStatus.NOT_FOUND and listed:
        return _MissingError(what, where=where, why=why)
    if isinstance(error, RateLimitedError):
        what, fix = "GitHub wants no more requests for now", "run it again then: it continues"
    elif error.status is None:
        fix = "check the network and the proxy"
    elif error.status == HTTPStatus.NOT_FOUND:
        what, fix = "GitHub knows no such repository", _RIGHTS
    else:
        fix = _way_out(why)
    return PublishError(what, where=where, why=why, fix=fix)


def _way_out(why: str) -> str:
    """Return what may be done about a refusal, by GitHub's own words for it."""
    return next((fix for word, fix in _WAYS_OUT.items() if word in why.lower()), _RIGHTS)


def _decoded(response: Response, kind: type[_T]) -> _T:
    try:
        return from_json(response.content, kind)
    except ValueError as error:
        raise PublishError(
            "GitHub answers with something else than its documentation says",
            where=shown(response.url),
            why=str(error),
            fix="look whether a proxy or a login page answered, or the API has changed",
        ) from None
