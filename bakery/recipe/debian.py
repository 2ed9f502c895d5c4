"""Debian packages as a recipe asks for them, and the addresses that a lock gives them.

`debian:trixie/pool/main/h/haproxy/haproxy_3.0.11-1_amd64.deb` is a package's path in the archive
of a suite, wherever a mirror keeps that. Packages are named NAME_VERSION_ARCH.deb; the file's name
leaves out a version's epoch (deb-version(7)).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from bakery.recipe.lock import LockedAsset, LockedVersion

SCHEME = "debian:"
LATEST = "latest"
"""Instead of a package's version: whichever the suite has."""

_ADDRESS = re.compile(
    r"debian:(?P<suite>[a-z0-9.-]+)/(?P<path>pool/(?:(?!\.)[A-Za-z0-9.+~-]+/)+"
    r"(?P<name>[a-z0-9.+-]+)_(?P<version>[A-Za-z0-9.+~-]+)_(?P<arch>[a-z0-9-]+)\.deb)"
)


def tag(version: str) -> str:
    """Return the tag that a recipe gives to a package's version (deb-version(7)).

    Without what says nothing to users, epoch and number of a rebuild, and without what file names
    and versions of releases can't have: `26.1.5+dfsg1-9.deb13u1` for `26.1.5+dfsg1-9+deb13u1+b2`.
    """
    plain = re.sub(r"\+b[0-9]+$", "", version.rpartition(":")[2]).replace("~", ".")
    first, plus, rest = plain.partition("+")
    return first + plus + rest.replace("+", ".")


def is_renewed(tag: str, version: str) -> bool:
    """Return whether a tag is a version's with newer dependencies: `3.0.11-1.1` for `3.0.11-1`."""
    return re.fullmatch(rf"{re.escape(version)}\.[0-9]+", tag) is not None


class Deb(msgspec.Struct, frozen=True, kw_only=True):
    """What an address says.

    Attributes:
        suite: the release of Debian.
        path: its path in the archive.
        name: the package's name.
        version: its version, without an epoch.
        arch: Debian's word for its architecture, or `all`.

    """

    suite: str
    path: str
    name: str
    version: str
    arch: str


def parse(address: str) -> Deb | None:
    """Return what the address of a Debian package says, or None where it is another address."""
    match = _ADDRESS.fullmatch(address)
    return Deb(**match.groupdict()) if match else None


class Packages(msgspec.Struct, frozen=True, kw_only=True):
    """Packages that a recipe asks for, to come with all that they depend on.

    Attributes:
        suite: the release of Debian that has them.
        names: the packages; the first one is that whose version is asked for.
        exclude: packages that the image does without, and without what only they need.
        arch: Debian's word for the architecture.

    """

    suite: str
    names: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    arch: str

    @property
    def label(self) -> str:
        """How messages call them."""
        return f"debian:{self.suite}, {', '.join(self.names)} for {self.arch}"

    @property
    def asked(self) -> str:
        """What is asked for, as a lock keeps it: a lock made for others does not fit."""
        without = f", without {', '.join(sorted(self.exclude))}" if self.exclude else ""
        return ", ".join(self.names) + without

    def find(self, locked: LockedVersion) -> tuple[LockedAsset, ...]:
        """Return the locked packages that these and their dependencies are."""
        return tuple(
            asset for asset in locked.assets if (deb := parse(asset.url)) and self._covers(deb)
        )

    def _covers(self, deb: Deb) -> bool:
        return (
            deb.suite == self.suite
            and deb.arch in {self.arch, "all"}
            and deb.name not in self.exclude
        )
