"""GitHub's API: releases, their assets, tags and repositories, as whoever asks may see them.

https://docs.github.com/rest/releases/releases, /rest/releases/assets, /rest/repos/repos
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003  types are read at run time
import re
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, unquote

import msgspec

from bakery.http.credentials import Token
from bakery.recipe.policy import Published
from bakery.upstream.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.recipe.upstreams import GithubUpstream
    from bakery.upstream.api import Api

ACCEPT = "application/vnd.github+json, application/json;q=0.9"
_API = "https://api.github.com"
_SERVER = "https://github.com"
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_ASSET = re.compile(
    r"/(?P<repository>[^/]+/[^/]+)/releases/download/(?P<tag>[^/]+)/(?P<name>[^/]+)"
)
_T = TypeVar("_T")


class GithubAsset(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a release.

    Attributes:
        name: what it is downloaded as.
        browser_download_url: where.
        id: GitHub's number for it.
        size: its bytes.
        state: `uploaded`, or `starter` where an upload was cut.
        digest: `sha256:…`, which GitHub computes itself; older ones have none.

    """

    name: str
    browser_download_url: str = ""
    id: int = 0
    size: int = 0
    state: str = "uploaded"
    digest: str | None = None

    @property
    def sha256(self) -> str | None:
        """The digest, in lower-case hexadecimal."""
        matched = _SHA256.fullmatch(self.digest or "")
        return matched[1] if matched else None


class GithubRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A release of a repository; mirrors may have less of it than GitHub itself.

    Attributes:
        tag_name: its tag.
        draft: only who may write to the repository sees it.
        prerelease: whether it says so.
        published_at: when.
        id: GitHub's number for it.
        name: its headline.
        upload_url: where assets go, with a template for their name (RFC 6570).
        immutable: nobody can change it any more, nor use its tag again.
        assets: its files.

    """

    tag_name: str
    draft: bool = False
    prerelease: bool = False
    published_at: dt.datetime | None = None
    id: int = 0
    name: str | None = None
    upload_url: str = ""
    immutable: bool = False
    assets: tuple[GithubAsset, ...] = ()

    def asset(self, name: str) -> GithubAsset | None:
        """Return the file of a name, if it is there."""
        return next((asset for asset in self.assets if asset.name == name), None)


class License(msgspec.Struct, frozen=True):
    """A licence as GitHub recognizes it; an SPDX identifier, or NOASSERTION."""

    spdx_id: str | None = None


class GithubRepository(msgspec.Struct, frozen=True, kw_only=True):
    """What a repository says about itself."""

    html_url: str | None = None
    description: str | None = None
    homepage: str | None = None
    license: License | None = None


class _Tag(msgspec.Struct):
    name: str


def versions(upstream: GithubUpstream, api: Api) -> Iterator[Published]:
    """Yield a repository's releases, or its tags where the recipe asks for those.

    Raises:
        UpstreamError: GitHub does not list them.

    """
    kind = "tags" if upstream.tags else "releases"
    url = f"{base(api.environment)}/repos/{upstream.github}/{kind}?per_page=100"
    for page in api.pages(url, token=token(api.environment), accept=ACCEPT):
        if upstream.tags:
            yield from (Published(tag.name) for tag in api.decoded(page, list[_Tag]))
        else:
            yield from _released(api.decoded(page, list[GithubRelease]))


def _released(releases: list[GithubRelease]) -> Iterator[Published]:
    for release in releases:
        if not release.draft:
            day = release.published_at.date() if release.published_at else None
            yield Published(release.tag_name, date=day, prerelease=release.prerelease)


def release(repository: str, tag: str, api: Api) -> GithubRelease:
    """Return the release of a tag.

    Raises:
        NotFoundError: there is none.
        UpstreamError: GitHub does not answer.

    """
    return _get(f"repos/{repository}/releases/tags/{quote(tag, safe='')}", GithubRelease, api)


def repository(name: str, api: Api) -> GithubRepository:
    """Return what GitHub says about a repository, OWNER/REPO.

    Raises:
        UpstreamError: it says nothing.

    """
    return _get(f"repos/{name}", GithubRepository, api)


def digest_of(url: str, api: Api) -> str | None:
    """Return the SHA-256 that GitHub gives for an asset, of any host; None where it knows none.

    Raises:
        UpstreamError: GitHub does not answer.

    """
    asset = _asset(url, api)
    return asset.sha256 if asset else None


def size_of(url: str, api: Api) -> int | None:
    """Return the bytes that GitHub gives for an asset, as `digest_of` does its digest."""
    asset = _asset(url, api)
    return asset.size if asset and asset.size else None


def _asset(url: str, api: Api) -> GithubAsset | None:
    server = (api.environment.get("GITHUB_SERVER_URL") or _SERVER).rstrip("/")
    matched = _ASSET.fullmatch(url.removeprefix(server))
    if matched is None:
        return None
    try:
        return release(matched["repository"], unquote(matched["tag"]), api).asset(
            unquote(matched["name"])
        )
    except NotFoundError:  # by a mirror that has assets alone
        return None


def base(environment: Mapping[str, str]) -> str:
    """Return the API's address: GITHUB_API_URL, which Actions sets on GitHub Enterprise too."""
    return (environment.get("GITHUB_API_URL") or _API).rstrip("/")


def token(environment: Mapping[str, str]) -> Token:
    """Return who asks: GITHUB_TOKEN, as Actions has it, or GH_TOKEN, as GitHub's own tool does."""
    value = environment.get("GITHUB_TOKEN") or environment.get("GH_TOKEN")
    return Token(value=value, variable="GITHUB_TOKEN", api=base(environment))


def _get(path: str, kind: type[_T], api: Api) -> _T:
    environment = api.environment
    answer = api.get(f"{base(environment)}/{path}", token=token(environment), accept=ACCEPT)
    return api.decoded(answer, kind)
