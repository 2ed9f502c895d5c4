"""Tags of GitLab projects: https://docs.gitlab.com/api/tags/ ."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  types are read at run time
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from bakery.http.credentials import Token
from bakery.recipe.policy import Published

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.recipe.upstreams import GitlabUpstream
    from bakery.upstream.api import Api

_PUBLIC = "https://gitlab.com"


class _Commit(msgspec.Struct):
    created_at: dt.datetime | None = None


class _Tag(msgspec.Struct):
    name: str
    commit: _Commit
    created_at: dt.datetime | None = None


def versions(upstream: GitlabUpstream, api: Api) -> Iterator[Published]:
    """Yield a project's tags, each with the day it was made, or else its commit was.

    Raises:
        UpstreamError: GitLab does not list them.

    """
    host = upstream.host.rstrip("/")
    project = quote(upstream.gitlab, safe="")
    url = f"{host}/api/v4/projects/{project}/repository/tags?per_page=100"
    token = _token(host, api.environment)
    for page in api.pages(url, token=token, accept="application/json"):
        for tag in api.decoded(page, list[_Tag]):
            made = tag.created_at or tag.commit.created_at
            yield Published(tag.name, date=made.date() if made else None)


def _token(host: str, environment: Mapping[str, str]) -> Token | None:
    """Return who asks; other GitLabs than the public one and the CI's own aren't told."""
    if host not in (_PUBLIC, environment.get("CI_SERVER_URL", "").rstrip("/")):
        return None
    return Token(value=environment.get("GITLAB_TOKEN"), variable="GITLAB_TOKEN", api=host)
