"""Where an asset of a lock can be fetched now: wheels and packages move, their names don't."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.recipe.debian import SCHEME as DEBIAN
from bakery.recipe.npm import SCHEME as NPM
from bakery.upstream import pypi

if TYPE_CHECKING:
    from bakery.settings import Settings


def resolve(address: str, settings: Settings) -> str:
    """Return the web address of a wheel, an npm or a Debian package; others unchanged.

    Raises:
        UpstreamError: the package index does not have the wheel or package any more.
        UpstreamError: no Debian mirror is known.
        UpstreamError: the package is in an archive that the mirror does not have.

    """
    if address.startswith(DEBIAN):
        from bakery.upstream import apt, debian

        return debian.resolve(address, apt.mirrors(*settings.debian_archives))
    if address.startswith(NPM):
        from bakery.upstream import npm

        return npm.resolve(address)
    return pypi.resolve(address)
