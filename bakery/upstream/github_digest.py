"""The digests that GitHub itself computes of the assets of releases.

https://docs.github.com/rest/releases/releases#get-a-release-by-tag-name: an asset has a `digest`,
`sha256:…`, since 2025; older ones have none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import msgspec

from bakery.upstream import github
from bakery.upstream.errors import NotFoundError

if TYPE_CHECKING:
    from bakery.upstream.api import Api

_SERVER = "https://github.com"
_ASSET = re.compile(
    r"/(?P<repository>[^/]+/[^/]+)/releases/download/(?P<tag>[^/]+)/(?P<name>[^/]+)"
)
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")


class _Asset(msgspec.Struct):
    name: str
    digest: str | None = None


class _Release(msgspec.Struct):
    assets: list[_Asset]


def digest_of(url: str, api: Api) -> str | None:
    """Return the SHA-256 that GitHub gives for an asset; None where it knows none.

    Args:
        url: the asset's address, of any host.
        api: asks GitHub.

    Raises:
        UpstreamError: GitHub does not answer.

    """
    server = (api.environment.get("GITHUB_SERVER_URL") or _SERVER).rstrip("/")
    found = _ASSET.fullmatch(url.removeprefix(server))
    if found is None:
        return None
    tag = quote(unquote(found["tag"]), safe="")
    address = f"{github.base(api.environment)}/repos/{found['repository']}/releases/tags/{tag}"
    try:
        answer = api.get(address, token=github.token(api.environment), accept=github.ACCEPT)
    except NotFoundError:  # by a mirror that has assets alone
        return None
    release = api.decoded(answer, _Release)
    digests = {asset.name: asset.digest for asset in release.assets}
    sha256 = _SHA256.fullmatch(digests.get(unquote(found["name"])) or "")
    return sha256[1] if sha256 else None
