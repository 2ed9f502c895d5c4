"""Install assets: the archive members that a recipe selects, at the paths it gives them."""

from __future__ import annotations

from contextlib import closing, contextmanager
from itertools import groupby
from typing import TYPE_CHECKING

from bakery import trace
from bakery.archive import deb
from bakery.archive.hashed import HashedFile
from bakery.archive.unpack import members
from bakery.errors import BakeryError
from bakery.image.errors import AlteredAssetError, ImageError
from bakery.image.tree import folded, is_macos_metadata, merged
from bakery.recipe import glob
from bakery.recipe.folder import FILE
from bakery.text import printable, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from bakery.archive.kept import Kept
    from bakery.archive.unpack import Member
    from bakery.image.relocation.pool import LibraryPool
    from bakery.image.tree import TreeBuilder
    from bakery.progress import Progress
    from bakery.recipe.plan import Asset, Image

_LISTED = 12
_NEAREST = 3


def install(
    tree: TreeBuilder,
    image: Image,
    archives: Mapping[str, Path],
    pool: LibraryPool | None,
    progress: Progress,
    *,
    kept: Kept | None,
) -> None:
    """Fill a tree with what an image's recipe installs of its assets.

    Args:
        tree: the tree to fill.
        image: says which members go where.
        archives: a file for every asset, by its SHA-256.
        pool: keeps the libraries of a self-contained image; None for other images.
        progress: told of the bytes written.
        kept: what other images' assets unpacked to, if they may have some in common.

    Raises:
        ImageError: a pattern matches nothing, or two members have the same path.
        AlteredAssetError: a file holds other bytes than the lock pins.
        BakeryError: an archive is hostile or damaged.

    """
    bad: list[tuple[str, str]] = []
    for _, assets in groupby(image.contents.assets, key=lambda a: a.bundle or a.sha256):
        bundle = list(assets)
        private = image.contents.private_root if bundle[0].bundle else None
        rest = private.folder if private else None
        installer = _Installer(tree, bundle[0].install, pool, rest, progress, kept=kept)
        for asset in bundle:
            installer.add(asset, archives[asset.sha256])
        if installer.unmatched:
            bad.append(_matches_nothing(bundle[0].bundle or bundle[0].filename, installer))
    if bad:
        what, why = zip(*bad, strict=True)
        raise ImageError(
            f"{image.id}: {', and '.join(what)}",
            where=show(image.source.folder / FILE),
            why="\n".join(why),
            fix="correct the patterns below install:, or give versions that differ a `when`",
        )


def destination(patterns: Sequence[tuple[str, str]], member: str) -> tuple[int, str | None]:
    """Return which pair of a pattern and a path is the first for a member, and where it goes.

    The path is None if there is no such pair.
    """
    for number, (pattern, target) in enumerate(patterns):
        if glob.matches(pattern, member):
            whole = target + glob.below(pattern, member) if target.endswith("/") else target
            return number, whole
    return -1, None


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
        progress: Progress,
        *,
        kept: Kept | None,
    ) -> None:
        """Keep libraries in `pool`; put what no pattern matches below `rest`, if that is given."""
        self._tree = tree
        self._patterns = patterns
        self._pool = pool
        self._rest = rest
        self._progress = progress
        self._kept = kept
        self.unmatched = {pattern for pattern, _ in patterns}
        self.seen: list[str] = []

    def add(self, asset: Asset, archive: Path) -> None:
        """Install what the patterns match; note what rights a package gives its programs."""
        before = len(self._tree.entries)
        with (
            trace.span(f"unpack {asset.filename}", bytes=archive.stat().st_size),
            _unaltered(asset, archive, self._kept) as file,
            closing(members(file, asset.filename, self._wants, kind=asset.archive)) as unpacked,
        ):
            for member, stream in unpacked:
                if member.type == "directory":
                    continue
                if self._pool and self._pool.keeps(member.path):
                    self._keep(self._pool, member, stream, asset.url)
                else:
                    self._install(member, stream, asset.url)
        if len(self._tree.entries) > before and asset.filename.endswith(".deb"):
            granted = deb.granted(archive)
            if granted:
                self._tree.privileges[asset.filename] = " and ".join(granted)

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
            with pool.open(pool.add_file(member.path, stream, origin)) as copy:
                self._install(member, copy, origin)
            return
        self._install(member, None, origin)

    def _install(self, member: Member, stream: BinaryIO | None, origin: str) -> None:
        number, path = destination(self._patterns, member.path)
        if path is not None:
            self.unmatched.discard(self._patterns[number][0])
        elif self._rest is not None:
            path = f"{self._rest}/{merged(member.path)}"
        else:
            return
        if member.target is not None:
            self._tree.add_link(path, member.target, origin=origin)
        elif stream is not None:
            if member.privileges:
                self._tree.privileges[folded(path)] = member.privileges
            self._tree.add_stream(
                path, stream, executable=member.executable, origin=origin, progress=self._progress
            )
        if self._pool is not None:
            self._pool.installed[merged(member.path)] = path


@contextmanager
def _unaltered(asset: Asset, path: Path, kept: Kept | None) -> Iterator[HashedFile]:
    """Yield an asset's file; what goes wrong with other bytes than the lock's is their fault.

    Raises:
        AlteredAssetError: it holds other bytes than the lock pins.

    """
    file = kept.file(path, asset.sha256) if kept else HashedFile(path)
    try:
        yield file
    except BakeryError:
        _compare(asset, file)
        raise
    _compare(asset, file)


def _compare(asset: Asset, file: HashedFile) -> None:
    sha256 = file.sha256()
    if sha256 != asset.sha256:
        raise AlteredAssetError(
            asset.filename, file.path, locked=asset.sha256, read=sha256
        ) from None


def _matches_nothing(label: str, installer: _Installer) -> tuple[str, str]:
    """Return which patterns match nothing, and what is there instead."""
    patterns = sorted(installer.unmatched)
    what = f"nothing in {label} matches {' or '.join(map(repr, patterns))}"
    seen = [printable(path) for path in installer.seen]
    if len(seen) <= _LISTED:
        return what, "\n".join([f"{label} holds:", *seen])
    why = [f"{label} holds {len(seen)} members"]
    for pattern in patterns:
        why += [f"nearest to {pattern!r}:", *(f"  {path}" for path in _nearest(pattern, seen))]
    return what, "\n".join(why)


def _nearest(pattern: str, paths: Sequence[str]) -> list[str]:
    """Return the paths that were probably meant: of the same last step, if there are any."""
    import difflib

    last = pattern.rpartition("/")[2]
    same = [path for path in paths if glob.matches(last, path.rpartition("/")[2])]
    likely = same if last.strip("*") else []
    return difflib.get_close_matches(pattern, likely or paths, n=_NEAREST, cutoff=0.1)
