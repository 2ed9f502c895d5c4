"""Unpack what upstream publishes: the members that are wanted, one after another, as streams."""

from __future__ import annotations

from contextlib import closing, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from bakery.archive import deb, tar, zip  # noqa: A004  the format's name
from bakery.archive.compression import unpacked
from bakery.archive.guard import Guard
from bakery.archive.model import BrokenArchiveError, HostileArchiveError, Limits, Member
from bakery.archive.stream import readable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bakery.archive.model import Members
    from bakery.recipe.types import Archive

__all__ = ["BrokenArchiveError", "HostileArchiveError", "Limits", "Member", "kind_of", "members"]

_KINDS: dict[Archive, tuple[str, ...]] = {  # a longer suffix stands before the one that it ends in
    "tar": (
        *(".tar", ".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2"),
        *(".tgz", ".txz", ".tzst", ".tbz2", ".tbz"),
    ),
    "zip": (".zip", ".whl"),
    "deb": (".deb",),
    "compressed": (".gz", ".xz", ".zst", ".bz2"),
}
_LIMITS = Limits()


def kind_of(filename: str) -> Archive:
    """Return what kind of file an asset is, by its name; `plain` where no suffix tells."""
    name = filename.lower()
    return next((kind for kind, suffixes in _KINDS.items() if name.endswith(suffixes)), "plain")


def members(
    archive: Path,
    filename: str,
    wanted: Callable[[str], bool],
    *,
    kind: Archive | None = None,
    limits: Limits = _LIMITS,
) -> Members:
    """Yield the wanted members of an archive, each with its content until the next is asked for.

    Every member is judged, and read where the format is a stream, wanted or not; the archive is
    known to be whole and harmless only when the iteration ends. Memory does not grow with sizes.
    Where the format compresses or checksums, so much is verified: reading content may raise too.

    Args:
        archive: the file to read.
        filename: the name that it was published under: it tells the kind, and names the one member
            of a file that is no archive.
        wanted: tells by a member's path whether it is yielded; asked for every member.
        kind: what kind of file it is, where the name misleads. A tar archive's compression is told
            by its first bytes in any case.
        limits: how much it may hold.

    Yields:
        The member, and a stream of its content where it is a file. Hard links of tar archives are
        files with the content that they share, and come last.

    Raises:
        HostileArchiveError: a member has an unsafe or repeated path, leaves the tree, is a device,
            or there is more of it than the limits allow.
        BrokenArchiveError: the archive is cut short, altered, or of another kind.
        OSError: the file can't be read.

    """
    guard = Guard(archive, filename, limits)
    match kind or kind_of(filename):
        case "tar":
            found = tar.members(partial(unpacked, guard), wanted, guard)
        case "zip":
            found = zip.members(wanted, guard, is_wheel=filename.lower().endswith(".whl"))
        case "deb":
            found = deb.members(wanted, guard)
        case "compressed":
            found = _decompressed(filename, wanted, guard)
        case "plain":
            found = _plain(filename, wanted, guard)
    with closing(found):
        for member, stream in found:
            with stream or nullcontext():
                yield member, stream


def _decompressed(filename: str, wanted: Callable[[str], bool], guard: Guard) -> Members:
    suffix = next((s for s in _KINDS["compressed"] if filename.lower().endswith(s)), "")
    path = guard.admit(filename[: len(filename) - len(suffix)].encode(), "file")
    with closing(unpacked(guard, required=True)) as chunks:
        if wanted(path):
            yield Member(path=path, type="file", size=None), readable(chunks)
        for _ in chunks:
            pass  # the end has the checksum


def _plain(filename: str, wanted: Callable[[str], bool], guard: Guard) -> Members:
    path = guard.admit(filename.encode(), "file")
    size = guard.archive.stat().st_size
    guard.declare(size)
    if wanted(path):
        yield Member(path=path, type="file", size=size), guard.archive.open("rb")
