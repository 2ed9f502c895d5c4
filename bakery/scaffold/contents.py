"""Where what is in an image comes from: the members of its assets, and what puts each into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakery import interrupts
from bakery.archive.unpack import members
from bakery.errors import BakeryError
from bakery.image.install import destination
from bakery.image.stage import stage
from bakery.image.tree import folded, merged
from bakery.progress import Silent
from bakery.recipe import glob, pins
from bakery.recipe.folder import FILE
from bakery.recipe.template import Template
from bakery.recipe.version import Version
from bakery.store.download import fetch
from bakery.store.folder import Store
from bakery.text import did_you_mean, format_size, printable, show
from bakery.upstream.resolve import resolve
from bakery.yaml.location import error, locate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bakery.archive.unpack import Member
    from bakery.image.manifest import ManifestEntry
    from bakery.recipe.plan import Asset as PlannedAsset
    from bakery.recipe.plan import Image
    from bakery.settings import Settings
    from bakery.store.download import Asset
    from bakery.yaml.location import Step


def listing(image: Image, pattern: str | None, settings: Settings) -> Iterator[str]:
    """Yield a line for each file and link of an image's assets, as `install:` would name it.

    Args:
        image: whose assets.
        pattern: a glob of members, as in `install:`; None for all.
        settings: where assets come from and are kept.

    Raises:
        BakeryError: an asset can't be had or read, or no member fits.

    """
    seen: list[str] = []
    fits = False
    for asset in image.contents.assets:
        head = asset.url
        for member in _members(asset, settings):
            seen.append(member.path)
            if pattern is None or glob.matches(pattern, member.path):
                fits = True
                yield from [head] if head else ()
                head = ""
                yield _line(member)
    if pattern is not None and not fits:
        raise BakeryError(
            f"nothing in the assets of {image.id} matches {pattern!r}",
            why="`*` stays within one step of a path, `**` spans several",
            fix=did_you_mean(pattern, seen) or f"bakery ls {image.contents.name}",
        )


def _members(asset: PlannedAsset, settings: Settings) -> Iterator[Member]:
    path = fetched(asset, settings)
    for member, _ in members(path, asset.filename, lambda _: True, kind=asset.archive):
        if member.type != "directory":
            yield member


def _line(member: Member) -> str:
    mode = "link" if member.target is not None else "0755" if member.executable else "0644"
    size = "" if member.size is None or member.target is not None else format_size(member.size)
    target = f" -> {printable(member.target)}" if member.target is not None else ""
    return f"  {mode}  {size:>10}  {printable(member.path)}{target}"


def fetched(asset: Asset, settings: Settings) -> Path:
    """Return where an asset lies in the store; it is downloaded if it is not there.

    Raises:
        BakeryError: it can't be had.

    """
    return fetch(
        Store(settings.store),
        asset,
        settings=settings,
        resolve=lambda address: resolve(address, settings),
    )


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What put a path into an image.

    Attributes:
        entry: the path, as the image has it.
        source: what its content is: an asset and its member, or a file of the recipe's folder.
        rule: the key of the recipe that put it there.
        at: where that key stands, with its line.

    """

    entry: ManifestEntry
    source: str
    rule: str
    at: BakeryError

    def text(self) -> str:
        """Return it for people."""
        mode = "link" if self.entry.target is not None else f"{self.entry.mode:04o}"
        lines = [f"{self.entry.path}  {mode}  {format_size(self.entry.size)}"]
        lines += [f"  from  {printable(self.source)}", f"  by    {self.rule}: {self.at.where}"]
        return "\n".join([*lines, *(self.at.why or "").splitlines()])


def cause(image: Image, path: str, settings: Settings) -> Cause:
    """Return what put a path into an image: the image's tree is staged to see.

    Raises:
        BakeryError: the image can't be staged, or has no file or link at that path.

    """
    wanted = folded(path.strip("/"))
    assets = {a.sha256: fetched(a, settings) for a in image.contents.assets}
    with interrupts.temporary_folder("bakery-why-") as folder:
        tree = folder / "tree"
        tree.mkdir()
        manifest = stage(image, "", assets, tree, Silent())
    entries = {entry.path: entry for entry in manifest.entries}
    entry = entries.get(wanted)
    if entry is None or entry.type == "directory":
        below = [each for each in entries if each.startswith(f"{wanted}/")]
        raise BakeryError(
            f"{wanted} is a folder" if below else f"{image.id} has no {wanted}",
            why="\n".join(below[:12]) if below else None,
            fix="name a file in it" if below else did_you_mean(wanted, entries),
        )
    return _explained(image, entry, settings)


def _explained(image: Image, entry: ManifestEntry, settings: Settings) -> Cause:
    origin = entry.origin or ""
    for asset in image.contents.assets:
        if asset.url == origin:
            return _from_asset(image, entry, asset, settings)
    local = image.source.origins.get(entry.path)
    if origin == "files/" and local is not None:
        at = BakeryError("", where=show(local))
        return Cause(entry=entry, source="the recipe's folder", rule=origin, at=at)
    if origin in {"write", "links"}:
        given = map(str, getattr(image.source.recipe, origin))
        key = next(each for each in given if each == entry.path or "{" in each)
        return _at(image, entry, (origin, key), "the recipe itself")
    keys = ["account", "config"] if origin == "setup" else [origin]
    node = image.source.node
    key = next((each for each in keys if locate(node, [each]) is not node), "")
    return _at(image, entry, (key,), f"the build: {origin}")


def _at(image: Image, entry: ManifestEntry, steps: tuple[Step, ...], source: str) -> Cause:
    node = locate(image.source.node, steps, at_key=True)
    rule = "install" if "install" in steps else str(steps[0]) or FILE
    return Cause(entry=entry, source=source, rule=rule, at=error(node, ""))


def _from_asset(
    image: Image, entry: ManifestEntry, asset: PlannedAsset, settings: Settings
) -> Cause:
    private = image.contents.private_root
    source = image.source
    version = Version.parse(image.contents.version)
    locked = pins.locked_version(source, version)
    pinned = pins.pinned(source, version, locked)[image.contents.arch]
    request = next(request for request, pin in pinned if pin.url == asset.url)
    for member in _members(asset, settings):
        number, place = destination(request.install, member.path)
        where = f"{member.path} in {asset.url}"
        if place is not None and folded(place) == entry.path:
            here: tuple[Step, ...] = ("assets", request.index, "install")
            install = source.recipe.assets[request.index].install
            if not isinstance(install, Template) and install:
                here = (*here, str([*install][number]))
            return _at(image, entry, here, where)
        if private and f"{private.folder}/{merged(member.path)}" == entry.path:
            return _at(image, entry, ("private-root",), where)
    key = "self-contained" if image.contents.self_contained else "assets"
    return _at(image, entry, (key,), asset.url)
