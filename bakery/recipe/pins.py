"""Whether a lock fits its recipe: every asset pinned, none too many, all known well enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakery.recipe import npm
from bakery.recipe.folder import LOCK
from bakery.recipe.lock import LockError
from bakery.recipe.requests import requests
from bakery.recipe.upstreams import is_on_github
from bakery.text import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bakery.arch import Arch
    from bakery.recipe.load import Source
    from bakery.recipe.lock import LockedAsset, LockedVersion, TrustKind
    from bakery.recipe.requests import Request
    from bakery.recipe.version import Version

Pinned = list[tuple["Request", "LockedAsset"]]


def locked_version(source: Source, version: Version) -> LockedVersion:
    """Return what the lock holds of one version.

    Raises:
        LockError: it does not hold this version.

    """
    locked = source.lock.versions.get(version.tag)
    if locked is None:
        raise LockError(
            f"{source.name} {version} is not locked",
            where=show(source.folder / LOCK),
            why="the recipe's build: asks for it, but nobody has pinned its assets yet",
            fix=f"bakery lock {source.name} {version}",
        )
    return locked


def fits(source: Source, version: Version) -> bool:
    """Return whether a build takes what the lock holds of a version.

    Raises:
        GrammarError: a value makes a path that leads out of the image.

    """
    try:
        pinned(source, version, locked_version(source, version))
    except LockError:
        return False
    return True


def pinned(source: Source, version: Version, locked: LockedVersion) -> dict[Arch, Pinned]:
    """Return the assets that each architecture asks for, with their pins.

    Raises:
        LockError: the lock lacks assets or parts, has some too many, knows too little of one, or
            claims to know more than the recipe makes possible.
        GrammarError: a value makes a path that leads out of the image.

    """
    missing, surplus = _parts(source, locked)
    by_arch: dict[Arch, Pinned] = {arch: [] for arch in source.recipe.arch}
    if not missing:
        for arch, pins in by_arch.items():
            for request in requests(source, version, arch, locked.parts):
                fitting_pins = request.finds(locked)
                pins.extend((request, pin) for pin in fitting_pins)
                missing += _lacks(request, fitting_pins, locked)
        used = {pin.url for pins in by_arch.values() for _, pin in pins}
        surplus += [
            f"nothing asks for {url} any more" for url in sorted(locked.by_url.keys() - used)
        ]
    if missing or surplus:
        raise LockError(
            f"the lock of {source.name} {version} does not fit its recipe",
            where=show(source.folder / LOCK),
            why="\n".join([*dict.fromkeys(missing), *surplus]),
            fix=f"bakery lock {source.name} {version}",
        )
    for pins in by_arch.values():
        for request, pin in pins:
            _check_claim(source, version, request, pin)
            _check_trust(source, version, pin)
    return by_arch


def claims(source: Source, request: Request) -> tuple[TrustKind, ...]:
    """Return how an asset's digest can be known, the weakest way first, as its recipe has it."""
    ways: list[TrustKind] = ["first-use", "cited"]
    if request.packages is not None:
        ways.append("apt")
    elif request.url is None or request.url.startswith(npm.SCHEME):
        ways.append("registry")
    elif is_on_github(source.recipe.upstream, request.url):
        ways.append("github-digest")
    if request.checksum:
        ways.append("checksum-file")
    ways += [proof.kind for proof in (request.checksum_proof, request.proof) if proof]
    return tuple(dict.fromkeys(ways))


def _parts(source: Source, locked: LockedVersion) -> tuple[list[str], list[str]]:
    asked = source.recipe.parts.keys()
    return (
        [f"the lock lacks the part {name}" for name in sorted(asked - locked.parts)],
        [f"the recipe has no part {name} any more" for name in sorted(locked.parts.keys() - asked)],
    )


def _lacks(request: Request, pins: Sequence[LockedAsset], locked: LockedVersion) -> Iterator[str]:
    """Say what of an asset the lock lacks, or that it was made for other Debian packages."""
    packages = request.packages
    known = locked.packages.get(packages.suite) if packages else None
    if packages and known and known != packages.asked:
        yield f"{packages.suite} is locked for {known}; the recipe asks for {packages.asked}"
    elif not pins or (packages and not known):
        yield f"the lock lacks {request.label}"


def _check_claim(source: Source, version: Version, request: Request, pin: LockedAsset) -> None:
    if pin.trust not in claims(source, request):
        raise LockError(
            f"the lock of {source.name} {version} claims more than its recipe can show",
            where=show(source.folder / LOCK),
            why=f"{pin.url}\nits digest is said to be known by `{pin.trust}`; "
            f"by the recipe it can be {', '.join(claims(source, request))}",
            fix=f"bakery lock {source.name} {version}\n"
            "or name in the recipe what upstream publishes: checksum:, signature:",
        )


def _check_trust(source: Source, version: Version, pin: LockedAsset) -> None:
    if not pin.is_trusted(source.recipe.trust):
        raise LockError(
            f"too little is known about an asset of {source.name} {version}",
            where=show(source.folder / LOCK),
            why=f"{pin.url}\nits digest is known by `{pin.trust}`, "
            f"the recipe asks for `trust: {source.recipe.trust}`",
            fix=f"bakery lock {source.name} {version}",
        )
