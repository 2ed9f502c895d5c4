"""Locking a version: every asset looked up or downloaded, hashed, and pinned with what is known."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from bakery.errors import BakeryError
from bakery.ledger import write_whole
from bakery.recipe import lock as lockfile
from bakery.recipe.debian import tag as debian_tag
from bakery.recipe.document import show
from bakery.recipe.load import LOCK
from bakery.recipe.lock import LockedAsset, LockedVersion, LockError
from bakery.recipe.model import RecipePart, TextPart
from bakery.recipe.version import Version
from bakery.recipe.wanted import values, wanted
from bakery.store.download import download_unpinned
from bakery.store.folder import Store
from bakery.upstream import apt, checksums, debian, pypi

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bakery.recipe.debian import Packages
    from bakery.recipe.load import Source
    from bakery.recipe.wanted import Wanted
    from bakery.settings import Settings

_DOWNLOADS = 6


class ChangedUpstreamError(BakeryError):
    """Upstream publishes other bytes under an address that is locked already."""


def lock_version(
    source: Source,
    tag: str,
    *,
    sources: Mapping[str, Source],
    settings: Settings,
    parts: Mapping[str, str],
) -> LockedVersion:
    """Pin all assets of one version and write the recipe's lock.json.

    Assets that are locked already keep their digests and what is known about them.

    Args:
        source: the recipe.
        tag: upstream's version.
        sources: all recipes, for parts that follow another one.
        settings: where downloads come from and go.
        parts: versions chosen for parts; the others are looked up.

    Raises:
        LockError: a part's version is not known, or too little is known about an asset.
        ChangedUpstreamError: a locked asset has other bytes now.
        BakeryError: an asset can't be had.

    """
    locker = _Locker(source, settings)
    chosen = locker.parts(tag, sources, parts)
    asked = {
        want.label: want
        for arch in source.recipe.arch
        for want in wanted(source, tag, arch, chosen)
    }
    with ThreadPoolExecutor(_DOWNLOADS) as pool:
        found = pool.map(lambda want: locker.assets(tag, want), asked.values())
        assets = tuple({asset.url: asset for each in found for asset in each}.values())
    locked = LockedVersion(parts=chosen, assets=assets)
    path = source.folder / LOCK
    write_whole(path, lockfile.encode(lockfile.read(path).with_version(tag, locked)))
    return locked


class _Locker:
    def __init__(self, source: Source, settings: Settings) -> None:
        self._source = source
        self._settings = settings
        self._store = Store(settings.store)

    def parts(
        self, tag: str, sources: Mapping[str, Source], given: Mapping[str, str]
    ) -> dict[str, str]:
        known = self._source.lock.versions.get(tag)
        locked = known.parts if known else {}
        for name in given:
            if name not in self._source.recipe.parts:
                raise LockError(
                    f"{self._source.name} has no part {name}",
                    fix=f"its parts: {', '.join(self._source.recipe.parts) or 'none'}",
                )
        chosen: dict[str, str] = {}
        for name, kind in self._source.recipe.parts.items():
            if name in given:
                chosen[name] = given[name]
            elif isinstance(kind, TextPart):
                chosen[name] = self._text(kind.text.expand(values(self._source, tag, chosen)))
            elif isinstance(kind, RecipePart):
                chosen[name] = self._newest(sources[kind.recipe])
            elif name in locked:
                chosen[name] = locked[name]
            else:
                raise LockError(
                    f"which version of the part {name}?",
                    where=f"{self._source.name} {tag}",
                    fix=f"bakery lock {self._source.name} {tag} --part {name}=VERSION",
                )
            Version.parse(chosen[name])
        return chosen

    def assets(self, tag: str, want: Wanted) -> tuple[LockedAsset, ...]:
        """Return what is wanted, pinned: one asset, or packages with all that they depend on."""
        if want.packages is None:
            return (self._asset(tag, want),)
        return self._packages(tag, want.packages)

    def _packages(self, tag: str, wanted: Packages) -> tuple[LockedAsset, ...]:
        found = debian.closure(wanted, apt.mirrors(self._settings.debian_snapshot))
        version = next(package.version for package in found if package.name == wanted.names[0])
        expected = debian_tag(version)
        if tag != expected and not tag.startswith(f"{expected}."):
            raise LockError(
                f"{wanted.suite} has {wanted.names[0]} {version}, not {tag}",
                where=wanted.label,
                why="the first package gives the recipe its version",
                fix=f"bakery lock {self._source.name} {expected}\n"
                f"where only its dependencies are newer, append a number: {expected}.1\n"
                "an older one may be found with BAKERY_DEBIAN_SNAPSHOT",
            )
        return tuple(
            LockedAsset(url=each.address, sha256=each.sha256, size=each.size, trust="apt")
            for each in found
        )

    def _asset(self, tag: str, want: Wanted) -> LockedAsset:
        """Return one asset, pinned."""
        known = self._source.lock.versions.get(tag)
        pinned = next(iter(want.finds(known)), None) if known else None
        found = self._wheel(want) if want.url is None else self._download(want)
        if pinned is not None:
            if pinned.sha256 != found.sha256:
                raise ChangedUpstreamError(
                    "upstream has changed a file that is locked",
                    where=pinned.url,
                    why=f"locked:  sha256 {pinned.sha256} ({pinned.trust})\n"
                    f"now:     sha256 {found.sha256}",
                    fix="find out why before anything else; if the new file is right, "
                    f"remove the line from {show(self._source.folder / LOCK)} and lock again",
                )
            if pinned.is_trusted(found.level):
                return msgspec.structs.replace(pinned, size=found.size)
        if not found.is_trusted(self._source.recipe.trust):
            raise LockError(
                "too little is known about an asset",
                where=found.url,
                why=f"it would be locked by `{found.trust}`, "
                f"but the recipe asks for `trust: {self._source.recipe.trust}`",
                fix="name upstream's checksum file in the recipe's checksum:",
            )
        return found

    def _download(self, want: Wanted) -> LockedAsset:
        url = want.url or ""
        blob = download_unpinned(self._store, url, settings=self._settings)
        if want.checksum is None:
            return LockedAsset(url=url, sha256=blob.sha256, size=blob.size, trust="first-use")
        filename = PurePosixPath(url).name
        expected = checksums.digest_of(filename, self._text_of(want.checksum), want.checksum)
        if expected != blob.sha256:
            raise BakeryError(
                f"{filename} is not what upstream's checksum file says",
                where=want.checksum,
                why=f"it says sha256 {expected}\nthe file has  {blob.sha256}",
                fix="try again later; if it stays, tell upstream",
            )
        return LockedAsset(url=url, sha256=blob.sha256, size=blob.size, trust="checksum-file")

    def _wheel(self, want: Wanted) -> LockedAsset:
        found = pypi.wheel(want.project or "", want.version or "", [want.platform or ""])
        blob = download_unpinned(
            self._store, found.address, settings=self._settings, resolve=lambda _: found.url
        )
        if blob.sha256 != found.sha256:
            raise BakeryError(
                "a wheel is not what the package index says",
                where=found.address,
                why=f"it says sha256 {found.sha256}\nthe file has  {blob.sha256}",
                fix="try again; look at the proxy or mirror between",
            )
        return LockedAsset(url=found.address, sha256=blob.sha256, size=blob.size, trust="registry")

    def _text(self, url: str) -> str:
        text = self._text_of(url).strip()
        try:
            return Version.parse(text).tag
        except ValueError as error:
            raise LockError("a part's version can't be read", where=url, why=str(error)) from None

    def _text_of(self, url: str) -> str:
        blob = download_unpinned(self._store, url, settings=self._settings)
        return blob.path.read_text("utf-8", errors="replace")

    def _newest(self, source: Source) -> str:
        if not source.lock.versions:
            raise LockError(
                f"{self._source.name} follows {source.name}, which has no locked version",
                fix=f"bakery lock {source.name} VERSION",
            )
        return source.lock.tags[-1]
