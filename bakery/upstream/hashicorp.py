"""HashiCorp's releases: https://releases.hashicorp.com/docs/api/v1/ ."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from bakery.recipe.policy import Published
from bakery.upstream.api import day

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.recipe.upstreams import HashicorpUpstream
    from bakery.upstream.api import Api

_API = "https://api.releases.hashicorp.com/v1/releases"
_MOST = 20


class _Status(msgspec.Struct, frozen=True):
    state: str = ""


class _Release(msgspec.Struct):
    version: str
    is_prerelease: bool
    timestamp_created: str
    license_class: str = ""
    status: _Status = _Status()


def versions(upstream: HashicorpUpstream, api: Api) -> Iterator[Published]:
    """Yield a product's free releases, newest first.

    A page ends where the next one begins: at the time the last release was made.

    Raises:
        UpstreamError: HashiCorp does not list them.

    """
    before: dict[str, str] = {}
    while True:
        query = urlencode({"license_class": "oss", "limit": _MOST, **before})
        page = api.get(f"{_API}/{upstream.hashicorp}?{query}", accept="application/json")
        releases = api.decoded(page, list[_Release])
        for release in releases:
            if release.license_class != "enterprise":
                yield Published(
                    release.version,
                    date=day(release.timestamp_created),
                    prerelease=release.is_prerelease,
                    yanked=release.status.state == "withdrawn",
                )
        if len(releases) < _MOST or before.get("after") == releases[-1].timestamp_created:
            return
        before = {"after": releases[-1].timestamp_created}
