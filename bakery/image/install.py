"""Installing assets: the members that a recipe names, at the places it names."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bakery.archive.unpack import members
from bakery.errors import BakeryError
from bakery.image.paths import merged
from bakery.recipe import glob
from bakery.recipe.load import FILE
from bakery.yaml.location import show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from bakery.archive.unpack import Member
    from bakery.image.relocation.pool import Pool
    from bakery.image.tree import Tree
    from bakery.progress import Meter
    from bakery.recipe.plan import Asset, Image

_LISTED = 12


class StageError(BakeryError):
    """A recipe and its assets don't fit together."""


def install(
    tree: Tree, image: Image, archives: Mapping[str, Path], pool: Pool | None, meter: Meter
) -> None:
    """Fill a tree with what an image's recipe installs of its assets.

    Args:
        tree: to be filled.
        image: says what goes where.
        archives: for every digest of the image's assets, a file with those bytes.
        pool: keeps what else may be needed; None if nothing is.
        meter: told of the bytes written.

    Raises:
        StageError: a pattern matches nothing.
        TreeError: two things want the same path.
        BakeryError: an archive is hostile or damaged.

    """
    for _, several in groupby(image.contents.assets, key=lambda a: a.bundle or a.sha256):
        bundle = list(several)
        private = image.contents.private_root if bundle[0].bundle else None
        rest = private.folder if private else None
        unpacking = _Unpacking(tree, bundle[0].install, pool, rest, meter)
        for asset in bundle:
            unpacking.take(asset, archives[asset.sha256])
        if unpacking.unmatched:
            raise _matches_nothing(image, bundle, unpacking)


class _Unpacking:
    """The members of assets that share their patterns, on their way into a tree.

    Attributes:
        unmatched: patterns that nothing matched so far.
        seen: the paths of all members.

    """

    def __init__(
        self,
        tree: Tree,
        patterns: Sequence[tuple[str, str]],
        pool: Pool | None,
        rest: str | None,
        meter: Meter,
    ) -> None:
        """Keep libraries in `pool`, and install all that no pattern matches below `rest`."""
        self._tree = tree
        self._patterns = patterns
        self._pool = pool
        self._rest = rest
        self._meter = meter
        self.unmatched = {pattern for pattern, _ in patterns}
        self.seen: list[str] = []

    def take(self, asset: Asset, archive: Path) -> None:
        """Install what the patterns match."""
        for member, stream in members(archive, asset.filename, self._wants, kind=asset.archive):
            if member.type == "directory":
                continue
            if self._pool and self._pool.keeps(member.path):
                self._keep(self._pool, member, stream, asset.url)
            else:
                self._install(member, stream, asset.url)

    def _wants(self, path: str) -> bool:
        self.seen.append(path)
        if self._pool is not None:
            self._pool.paths.add(merged(path))
        if self._rest is not None or (self._pool is not None and self._pool.keeps(path)):
            return True
        return any(glob.matches(pattern, path) for pattern, _ in self._patterns)

    def _keep(self, pool: Pool, member: Member, stream: BinaryIO | None, origin: str) -> None:
        if member.target is not None:
            pool.add_link(member.path, member.target, origin)
        elif stream is not None:
            with pool.add_file(member.path, stream, origin).open("rb") as kept:
                self._install(member, kept, origin)
            return
        self._install(member, None, origin)

    def _install(self, member: Member, stream: BinaryIO | None, origin: str) -> None:
        matching = (pair for pair in self._patterns if glob.matches(pair[0], member.path))
        pattern, place = next(matching, (None, ""))
        if pattern is not None:
            self.unmatched.discard(pattern)
            path = place + glob.below(pattern, member.path) if place.endswith("/") else place
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
            self._pool.places[merged(member.path)] = path


def _matches_nothing(image: Image, assets: Sequence[Asset], unpacking: _Unpacking) -> StageError:
    pattern = min(unpacking.unmatched)
    seen = unpacking.seen
    listed = "\n".join(seen[:_LISTED]) + (
        f"\n… and {len(seen) - _LISTED} more" if len(seen) > _LISTED else ""
    )
    return StageError(
        f"{image.id}: nothing in {assets[0].bundle or assets[0].filename} matches {pattern!r}",
        where=show(image.source.folder / FILE),
        why=f"the asset holds:\n{listed}",
        fix="correct the pattern below install:, or give versions that differ a `when`",
    )
