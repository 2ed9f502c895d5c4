"""The version of a package that a suite of Debian has now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.arch import ARCHITECTURES
from bakery.recipe.debian import tag
from bakery.recipe.policy import Published
from bakery.upstream import apt, debian
from bakery.upstream.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.recipe.upstreams import DebianUpstream
    from bakery.upstream.api import Api


def versions(upstream: DebianUpstream, api: Api) -> Iterator[Published]:
    """Yield the one version that the suite has, for the first architecture that has any.

    It is written as images can carry it: without its epoch, and with `.` for `~`.

    Raises:
        UpstreamError: no Debian mirror is known.
        ToolFailedError: the mirror can't be reached, or its index is not signed as it must be.
        NotFoundError: the suite has no such package.

    """
    mirrors = apt.mirrors(*api.settings.debian_archives)
    for arch in ARCHITECTURES.values():
        version = debian.candidate(upstream.debian, upstream.suite, arch.debian, mirrors)
        if version is not None:
            yield Published(tag(version), prerelease=False)  # its suite is released
            return
    raise NotFoundError(
        f"{upstream.suite} has no package {upstream.debian}",
        where=mirrors.main,
        fix="look for its name with `apt-cache search`, and correct the recipe's upstream:",
    )
