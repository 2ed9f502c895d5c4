"""The version of a package that a suite of Debian has now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.arch import ARCHITECTURES
from bakery.recipe.debian import Packages, tag
from bakery.recipe.policy import Published
from bakery.upstream import apt, debian

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.recipe.upstreams import DebianUpstream
    from bakery.upstream.api import Api


def versions(upstream: DebianUpstream, api: Api) -> Iterator[Published]:
    """Yield the one version that apt would install.

    It is written as images can carry it: without its epoch, and with `.` for `~`.

    Raises:
        UpstreamError: no Debian mirror is known.
        UpstreamError: the suite has no such package.
        ToolFailedError: the mirror can't be reached, or its index is not signed as it must be.

    """
    asked = Packages(
        suite=upstream.suite, names=(upstream.debian,), arch=ARCHITECTURES["x86-64"].debian
    )
    for package in debian.closure(asked, apt.mirrors(api.settings.debian_snapshot)):
        if package.name == upstream.debian:
            yield Published(tag(package.version))
