"""Locking a version: every asset looked up or downloaded, hashed, and pinned with what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from bakery.errors import BakeryError
from bakery.files import write_whole
from bakery.recipe import lock as lockfile
from bakery.recipe.debian import LATEST, is_renewed
from bakery.recipe.debian import tag as debian_tag
from bakery.recipe.folder import LOCK
from bakery.recipe.lock import LockedAsset, LockedVersion, LockError
from bakery.recipe.pins import claims
from bakery.recipe.requests import requests, values
from bakery.recipe.upstreams import DebianUpstream, RecipePart, TextPart
from bakery.recipe.version import Version
from bakery.text import show
from bakery.upstream import apt, debian
from bakery.upstream.api import Api
from bakery.upstream.evidence import Evidence
from bakery.upstream.versions import offers
from bakery.workers import Workers
from bakery.yaml.grammar import GrammarError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bakery.recipe.debian import Packages
    from bakery.recipe.load import Source
    from bakery.recipe.requests import Request
    from bakery.settings import Settings
    from bakery.store.download import Blob

_DOWNLOADS = 6


class ChangedUpstreamError(BakeryError):
    """Upstream publishes other bytes under an address that is locked already."""

    def __init__(self, url: str, *, locked: str, now: str, then: str) -> None:
        super().__init__(
            "upstream has changed a file that is locked",
            where=url,
            why=f"locked:  {locked}\nnow:     {now}",
            fix=f"find out why before anything else; {then}",
        )


def lock_version(
    source: Source,
    version: Version,
    *,
    sources: Mapping[str, Source],
    settings: Settings,
    parts: Mapping[str, str],
    had: Mapping[str, Blob] | None = None,
) -> LockedVersion:
    """Pin all assets of one version and write the recipe's lock.json.

    Assets that are locked already keep their digests and what is known about them.

    Args:
        source: the recipe.
        version: upstream's version.
        sources: all recipes, for parts that follow another one.
        settings: where downloads come from and go.
        parts: versions chosen for parts; the others are looked up.
        had: what has just been downloaded, by its address.

    Raises:
        LockError: a part's version can't be read, or too little is known about an asset.
        UpstreamError: a part's upstream does not tell its versions.
        ChangedUpstreamError: a locked asset has other bytes now.
        BakeryError: an asset can't be had.

    """
    with Api(settings) as api, Workers(_DOWNLOADS) as pool:
        locker = _Locker(source, settings, Evidence(source, settings, api, had), api)
        chosen = locker.parts(version, sources, parts)
        asked = {
            request.label: request
            for arch in source.recipe.arch
            for request in requests(source, version, arch, chosen)
        }
        pinned = pool.map(lambda request: locker.assets(version.tag, request), asked.values())
        assets = tuple({asset.url: asset for each in pinned for asset in each}.values())
    suites = {each.packages.suite: each.packages.asked for each in asked.values() if each.packages}
    locked = LockedVersion(parts=chosen, packages=suites, assets=assets)
    path = source.folder / LOCK
    write_whole(path, lockfile.encode(lockfile.read(path).with_version(version.tag, locked)))
    return locked


def unchanged(source: Source, pinned: LockedAsset, now: LockedAsset) -> LockedAsset:
    """Return a locked asset with the better of what was known and what is known now.

    Raises:
        ChangedUpstreamError: it has another digest now.

    """
    if pinned.sha256 != now.sha256 or _says_otherwise(pinned.vouched, now.vouched):
        raise ChangedUpstreamError(
            pinned.url,
            locked=_known(pinned),
            now=_known(now),
            then="if the new file is right, remove the line from "
            f"{show(source.folder / LOCK)} and lock again",
        )
    best = pinned if pinned.is_trusted(now.level) else now
    return msgspec.structs.replace(best, size=now.size or pinned.size)


def _says_otherwise(locked: str | None, now: str | None) -> bool:
    """Return whether two digests of one algorithm differ."""
    one, other = (locked or "").split(":"), (now or "").split(":")
    return one[0] == other[0] and one != other


def _known(asset: LockedAsset) -> str:
    digest = asset.vouched or f"sha256:{asset.sha256}"
    return f"{digest.replace(':', ' ')} ({asset.trust})"


@dataclass(frozen=True)
class _Locker:
    source: Source
    settings: Settings
    evidence: Evidence
    api: Api

    def parts(
        self, version: Version, sources: Mapping[str, Source], given: Mapping[str, str]
    ) -> dict[str, str]:
        known = self.source.lock.versions.get(version.tag)
        locked = known.parts if known else {}
        for name in given:
            if name not in self.source.recipe.parts:
                raise LockError(
                    f"{self.source.name} has no part {name}",
                    fix=f"its parts: {', '.join(self.source.recipe.parts) or 'none'}",
                )
        chosen: dict[str, str] = {}
        for name, kind in self.source.recipe.parts.items():
            if name in given:
                chosen[name] = given[name]
            elif isinstance(kind, TextPart):
                chosen[name] = self._text(kind.text.expand(values(self.source, version, chosen)))
            elif isinstance(kind, RecipePart):
                chosen[name] = self._newest(sources[kind.recipe])
            elif name in locked:
                chosen[name] = locked[name]
            else:
                chosen[name] = offers(kind, self.api)[-1].tag
            Version.parse(chosen[name])
        return chosen

    def assets(self, tag: str, request: Request) -> tuple[LockedAsset, ...]:
        """Return what is requested, pinned: one asset, or packages with all that they depend on."""
        if request.packages is None:
            return (self._asset(tag, request),)
        return self._packages(request.packages, request.version or LATEST)

    def _packages(self, packages: Packages, asked: str) -> tuple[LockedAsset, ...]:
        closure = debian.closure(packages, apt.mirrors(*self.settings.debian_archives))
        version = next(package.version for package in closure if package.name == packages.names[0])
        expected = debian_tag(version)
        if asked not in (LATEST, expected) and not is_renewed(asked, expected):
            raise self._other_version(packages, asked, expected)
        return tuple(
            LockedAsset(url=each.url, sha256=each.sha256, size=each.size, trust="apt")
            for each in closure
        )

    def _other_version(self, packages: Packages, asked: str, there: str) -> LockError:
        first, name = packages.names[0], self.source.name
        upstream = self.source.recipe.upstream
        own = upstream.debian if isinstance(upstream, DebianUpstream) else name
        if own != first and own in packages.names:
            fix = f"the recipe's versions are {own}'s: put that first in packages:"
        elif upstream is None or own == first:
            fix = (
                f"bakery lock {name} {there}\n"
                f"where only its dependencies are newer, append a number: {there}.1\n"
                "an older one may be found with BAKERY_DEBIAN_SNAPSHOT"
            )
        else:
            fix = (
                f"add `version: {LATEST}` below `debian:`, where the packages are not what {name}\n"
                "has its version from; the lock pins theirs"
            )
        return LockError(
            f"{packages.suite} has {first} {there}, not {asked}",
            where=packages.label,
            why="the first package has the recipe's version, or the one that `version:` gives",
            fix=fix,
        )

    def _asset(self, tag: str, request: Request) -> LockedAsset:
        known = self.source.lock.versions.get(tag)
        pinned = next(iter(request.finds(known)), None) if known else None
        asset = self.evidence.establish(request)
        if pinned is not None:
            if pinned.trust not in claims(self.source, request):
                pinned = LockedAsset(url=pinned.url, sha256=pinned.sha256, trust="first-use")
            asset = unchanged(self.source, pinned, asset)
        if not asset.is_trusted(self.source.recipe.trust):
            key = "signature" if self.source.recipe.trust == "signature" else "checksum"
            raise LockError(
                "too little is known about an asset",
                where=asset.url,
                why=f"it would be locked by `{asset.trust}`, "
                f"but the recipe asks for `trust: {self.source.recipe.trust}`",
                fix=f"if upstream publishes a {key}, name it in the recipe's {key}:",
            )
        return asset

    def _text(self, url: str) -> str:
        text = self.evidence.text(url).strip()
        try:
            return Version.parse(text).tag
        except GrammarError as error:
            raise LockError(
                "a part's version can't be read",
                where=url,
                why=error.what,
                fix="look at the file; correct parts: in the recipe, or give --part NAME=VERSION",
            ) from None

    def _newest(self, source: Source) -> str:
        lock = lockfile.read(source.folder / LOCK)  # may have grown since it was loaded
        if not lock.versions:
            raise LockError(
                f"{self.source.name} follows {source.name}, which has no locked version",
                fix=f"bakery lock {source.name} VERSION",
            )
        return lock.ordered[-1].tag
