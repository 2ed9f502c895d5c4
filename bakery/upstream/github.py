"""Releases and tags of GitHub repositories.

https://docs.github.com/rest/releases/releases and /rest/repos/repos#list-repository-tags
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003  types are read at run time
from typing import TYPE_CHECKING

import msgspec

from bakery.recipe.policy import Published
from bakery.upstream.refusal import Token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.recipe.upstreams import GithubUpstream
    from bakery.upstream.api import Api

ACCEPT = "application/vnd.github+json, application/json;q=0.9"
_API = "https://api.github.com"


class _Release(msgspec.Struct):
    tag_name: str
    draft: bool
    prerelease: bool
    published_at: dt.datetime | None = None


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
            yield from _released(api.decoded(page, list[_Release]))


def _released(releases: list[_Release]) -> Iterator[Published]:
    for release in releases:
        if not release.draft:
            day = release.published_at.date() if release.published_at else None
            yield Published(release.tag_name, date=day, prerelease=release.prerelease)


def base(environment: Mapping[str, str]) -> str:
    """Return the API's address: GITHUB_API_URL, which Actions sets on GitHub Enterprise too."""
    return (environment.get("GITHUB_API_URL") or _API).rstrip("/")


def token(environment: Mapping[str, str]) -> Token:
    """Return who asks: GITHUB_TOKEN, as Actions has it, or GH_TOKEN, as GitHub's own tool does."""
    value = environment.get("GITHUB_TOKEN") or environment.get("GH_TOKEN")
    return Token(value=value, variable="GITHUB_TOKEN")
