"""Asking upstream again about every locked asset: whether it is there, and still the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery.errors import BakeryError
from bakery.lock.history import lock_before
from bakery.lock.pin import ChangedUpstreamError, unchanged
from bakery.recipe.folder import LOCK
from bakery.recipe.lock import LockError
from bakery.recipe.requests import requests
from bakery.store.download import download_unpinned
from bakery.store.folder import Store
from bakery.text import show
from bakery.upstream import apt, debian
from bakery.upstream.api import Api
from bakery.upstream.evidence import ContradictionError, Evidence
from bakery.upstream.resolve import resolve
from bakery.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bakery.recipe.debian import Packages
    from bakery.recipe.load import Source
    from bakery.recipe.lock import LockedAsset, LockedVersion
    from bakery.recipe.requests import Request
    from bakery.recipe.version import Version
    from bakery.settings import Settings

_ASSETS = 8


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What is known now about one locked asset.

    Attributes:
        name: the recipe.
        tag: upstream's version.
        url: the asset.
        confirmed: what says that it is the same: a kind of trust, `bytes`, `size`, or `presence`.
        failure: what is wrong instead.

    """

    name: str
    tag: str
    url: str
    confirmed: str = ""
    failure: BakeryError | None = None

    @property
    def is_alarm(self) -> bool:
        """Whether upstream has changed what it had published."""
        return isinstance(self.failure, (ChangedUpstreamError, ContradictionError))


def verify(
    chosen: Mapping[str, Source],
    settings: Settings,
    *,
    download: bool = False,
    since: str | None = None,
) -> Iterator[Confirmation]:
    """Yield what upstream says now of the assets that the locks of recipes pin.

    Checksum files, signatures and digests of indexes are fetched again and must agree with the
    lock; so must the size that the server tells.

    Args:
        chosen: the recipes.
        settings: where downloads come from and go.
        download: download the assets themselves too, hash them, and compare how the lock says
            that its digests are known with what can be shown now.
        since: a commit; only what has been added or altered since is looked at.

    Raises:
        HistoryError: git does not know the commit.

    """
    before = {
        name: lock_before(source.folder, settings, since).versions if since else {}
        for name, source in chosen.items()
    }
    with Api(settings) as api, Workers(_ASSETS) as pool:
        checks = [
            (_Verifier(source, settings, api), version.tag, request, pin)
            for name, source in chosen.items()
            for version in source.lock.ordered
            for request, pin in _pins(source, version)
            if not _is_known(pin, before[name].get(version.tag))
        ]
        yield from pool.map(
            lambda check: check[0].confirmation(*check[1:], download=download), checks
        )


def _is_known(pin: LockedAsset, before: LockedVersion | None) -> bool:
    return before is not None and before.by_url.get(pin.url) == pin


def _pins(source: Source, version: Version) -> list[tuple[Request | None, LockedAsset]]:
    """Return all assets of a version, each with what the recipe says of it, if it still does."""
    locked = source.lock.versions[version.tag]
    known: dict[str, Request] = {}
    if source.recipe.parts.keys() <= locked.parts.keys():
        for arch in source.recipe.arch:
            for request in requests(source, version, arch, locked.parts):
                known |= {pin.url: request for pin in request.finds(locked)}
    return [(known.get(pin.url), pin) for pin in locked.assets]


class _Verifier:
    def __init__(self, source: Source, settings: Settings, api: Api) -> None:
        self._source = source
        self._settings = settings
        self._evidence = Evidence(source, settings, api)
        self._api = api

    def confirmation(
        self, tag: str, request: Request | None, pin: LockedAsset, *, download: bool
    ) -> Confirmation:
        """Return what is known now about an asset."""
        confirmed, failure = "", None
        try:
            confirmed = self._downloaded(request, pin) if download else self._asked(request, pin)
        except BakeryError as error:
            failure = error
        return Confirmation(
            name=self._source.name, tag=tag, url=pin.url, confirmed=confirmed, failure=failure
        )

    def _downloaded(self, request: Request | None, pin: LockedAsset) -> str:
        if request and request.packages is None:
            known = self._evidence.establish(request)
            unchanged(self._source, pin, known)
            if pin.trust != "cited" and not known.is_trusted(pin.level):
                raise self._overstated(pin, known)
            return "bytes" if known.trust == "first-use" else f"bytes, {known.trust}"
        blob = download_unpinned(
            Store(self._settings.store),
            pin.url,
            settings=self._settings,
            resolve=lambda url: resolve(url, self._settings),
        )
        if blob.sha256 != pin.sha256:
            raise self._changed(pin, f"sha256 {pin.sha256}", f"sha256 {blob.sha256}")
        listed = request and request.packages and self._is_listed(request.packages, pin)
        return "bytes, apt" if listed else "bytes"

    def _asked(self, request: Request | None, pin: LockedAsset) -> str:
        if request and request.packages and self._is_listed(request.packages, pin):
            return "apt"
        known = (
            self._evidence.look_up(request, pin) if request and request.packages is None else None
        )
        if known:
            unchanged(self._source, pin, known)
            if known.trust == "registry":  # it has named the wheel, too
                return known.trust
        address = resolve(pin.url, self._settings)
        size = self._api.size(address, direct=address != pin.url)
        if None not in (size, pin.size) and size != pin.size:
            raise self._changed(pin, f"{pin.size} bytes", f"{size} bytes")
        return known.trust if known else "presence" if None in (size, pin.size) else "size"

    def _is_listed(self, packages: Packages, pin: LockedAsset) -> bool:
        """Return whether the signed index of Debian has a package, as it has the newest alone."""
        newest = debian.closure(packages, apt.mirrors(*self._settings.debian_archives))
        listed = next((each.sha256 for each in newest if each.url == pin.url), None)
        if listed not in (None, pin.sha256):
            raise self._changed(pin, f"sha256 {pin.sha256}", f"sha256 {listed}")
        return listed is not None

    def _overstated(self, pin: LockedAsset, known: LockedAsset) -> LockError:
        return LockError(
            "a lock says that more is known about an asset than can be shown",
            where=pin.url,
            why=f"locked:  by {pin.trust}\nnow:     by {known.trust}",
            fix=f"remove its line from {show(self._source.folder / LOCK)} and lock again,\n"
            "or find out why upstream has taken back what it had published",
        )

    def _changed(self, pin: LockedAsset, locked: str, now: str) -> ChangedUpstreamError:
        kept = f"the store and {show(self._source.folder / LOCK)} have what was reviewed"
        return ChangedUpstreamError(pin.url, locked=locked, now=now, then=f"until then {kept}")
