"""Install assets: the archive members that a recipe selects, at the paths it gives them."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bakery.archive.unpack import members
from bakery.image.errors import ImageError
from bakery.image.tree import is_macos_metadata, merged
from bakery.recipe import glob
from bakery.recipe.load import FILE
from bakery.yaml.location import show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from bakery.archive.unpack import Member
    from bakery.image.relocation.pool import LibraryPool
    from bakery.image.tree import TreeBuilder
    from bakery.progress import Meter
    from bakery.recipe.plan import Asset, Image

_LISTED = 12


def install(
    tree: TreeBuilder,
    image: Image,
    archives: Mapping[str, Path],
    pool: LibraryPool | None,
    meter: Meter,
) -> None:
    """Fill a tree with what an image's recipe installs of its assets.

    Args:
        tree: the tree to fill.
        image: says which members go where.
        archives: a file for every asset, by its SHA-256.
        pool: keeps the libraries of a self-contained image; None for other images.
        meter: told of the bytes written.

    Raises:
        ImageError: a pattern matches nothing, or two members have the same path.
        BakeryError: an archive is hostile or damaged.

    """
    for _, assets in groupby(image.contents.assets, key=lambda a: a.bundle or a.sha256):
        bundle = list(assets)
        private = image.contents.private_root if bundle[0].bundle else None
        rest = private.folder if private else None
        installer = _Installer(tree, bundle[0].install, pool, rest, meter)
        for asset in bundle:
            installer.add(asset, archives[asset.sha256])
        if installer.unmatched:
            raise _matches_nothing(image, bundle, installer)


class _Installer:
    """Installs the members of assets that share their patterns.

    Attributes:
        unmatched: patterns that nothing matched so far.
        seen: the paths of all members.

    """

    def __init__(
        self,
        tree: TreeBuilder,
        patterns: Sequence[tuple[str, str]],
        pool: LibraryPool | None,
        rest: str | None,
        meter: Meter,
    ) -> None:
        """Keep libraries in `pool`; put what no pattern matches below `rest`, if that is given."""
        self._tree = tree
        self._patterns = patterns
        self._pool = pool
        self._rest = rest
        self._meter = meter
        self.unmatched = {pattern for pattern, _ in patterns}
        self.seen: list[str] = []

    def add(self, asset: Asset, archive: Path) -> None:
        """Install what the patterns match."""
        for member, stream in members(archive, asset.filename, self._wants, kind=asset.archive):
            if member.type == "directory":
                continue
            if self._pool and self._pool.keeps(member.path):
                self._keep(self._pool, member, stream, asset.url)
            else:
                self._install(member, stream, asset.url)

    def _wants(self, path: str) -> bool:
        if is_macos_metadata(path):
            return False
        self.seen.append(path)
        if self._pool is not None:
            self._pool.paths.add(merged(path))
        if self._rest is not None or (self._pool is not None and self._pool.keeps(path)):
            return True
        return any(glob.matches(pattern, path) for pattern, _ in self._patterns)

    def _keep(
        self, pool: LibraryPool, member: Member, stream: BinaryIO | None, origin: str
    ) -> None:
        if member.target is not None:
            pool.add_link(member.path, member.target, origin)
        elif stream is not None:
            with pool.add_file(member.path, stream, origin).open("rb") as copy:
                self._install(member, copy, origin)
            return
        self._install(member, None, origin)

    def _install(self, member: Member, stream: BinaryIO | None, origin: str) -> None:
        matching = (pair for pair in self._patterns if glob.matches(pair[0], member.path))
        pattern, target = next(matching, (None, ""))
        if pattern is not None:
            self.unmatched.discard(pattern)
            path = target + glob.below(pattern, member.path) if target.endswith("/") else target
        elif self._rest is not None:
            path = f"{self._rest}/{merged(member.path)}"
        else:
            return
        if member.target is not None:
            self._tree.add_link(path, member.target, origin=origin)
        elif stream is not None:
            self._tree.add_stream(
                path, stream, executable=member.executable, origin=origin, meter=self._meter
            )
        if self._pool is not None:
            self._pool.installed[merged(member.path)] = path


def _matches_nothing(image: Image, assets: Sequence[Asset], installer: _Installer) -> ImageError:
    pattern = min(installer.unmatched)
    seen = installer.seen
    listed = "\n".join(seen[:_LISTED]) + (
        f"\n… and {len(seen) - _LISTED} more" if len(seen) > _LISTED else ""
    )
    return ImageError(
        f"{image.id}: nothing in {assets[0].bundle or assets[0].filename} matches {pattern!r}",
        where=show(image.source.folder / FILE),
        why=f"the asset holds:\n{listed}",
        fix="correct the pattern below install:, or give versions that differ a `when`",
    )
