"""Unpack what upstream publishes: the members that are wanted, one after another, as streams."""

from __future__ import annotations

from contextlib import closing, nullcontext
from io import BufferedReader
from typing import TYPE_CHECKING

from bakery.archive import deb, tar, zip  # noqa: A004  the format's name
from bakery.archive.compression import Packed
from bakery.archive.guard import Guard
from bakery.archive.model import BrokenArchiveError, HostileArchiveError, Limits, Member
from bakery.archive.stream import readable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bakery.archive.hashed import HashedFile
    from bakery.archive.model import Members
    from bakery.recipe.types import Archive

__all__ = ["BrokenArchiveError", "HostileArchiveError", "Limits", "Member", "kind_of", "members"]

_ELF = b"\x7fELF"
_KINDS: dict[Archive, tuple[str, ...]] = {  # a longer suffix stands before the one that it ends in
    "tar": (
        *(".tar", ".tar.gz", ".tar.xz", ".tar.zst", ".tar.zstd", ".tar.bz2"),
        *(".tgz", ".txz", ".tzst", ".tbz2", ".tbz"),
    ),
    "zip": (".zip", ".whl"),
    "deb": (".deb",),
    "compressed": (".gz", ".xz", ".zst", ".zstd", ".bz2"),
}
_LIMITS = Limits()


def kind_of(filename: str) -> Archive:
    """Return what kind of file an asset is, by its name; `plain` where no suffix tells."""
    name = filename.lower()
    return next((kind for kind, suffixes in _KINDS.items() if name.endswith(suffixes)), "plain")


def members(
    archive: Path | HashedFile,
    filename: str,
    wanted: Callable[[str], bool],
    *,
    kind: Archive | None = None,
    limits: Limits = _LIMITS,
) -> Members:
    """Yield the wanted members of an archive, each with its content until the next is asked for.

    What is not wanted is not judged. Where the format is a stream all of it is read, and the
    archive is known to be whole only when the iteration ends. Memory does not grow with sizes.
    Where the format compresses or checksums, so much is verified: reading content may raise too.
    Equal members with one path are one; of others nobody can tell which one is meant.

    Args:
        archive: the file to read; every byte of it is not read in every format.
        filename: the name that it was published under: it tells the kind, and names the one member
            of a file that is no archive.
        wanted: tells by a member's path whether it is yielded; asked for every member. Of a path
            that can't be allowed it gets a harmless spelling, and the archive is refused if it
            wants that.
        kind: what kind of file it is, where the name misleads. A tar archive's compression is told
            by its first bytes in any case.
        limits: how much it may hold.

    Yields:
        The member, and a stream of its content where it is a file. Hard links of tar archives are
        files with the content that they share, and come last.

    Raises:
        HostileArchiveError: a wanted member has an unsafe path, leaves the tree, is a device, has a
            path that another one has, or there is more than the limits allow.
        BrokenArchiveError: the archive is cut short, altered, or of another kind.
        OSError: the file can't be read.

    """
    guard = Guard(archive, filename, limits, wanted)
    with closing(_unpacked(kind or kind_of(filename), filename, guard)) as unpacked:
        for member, stream in unpacked:
            with stream or nullcontext():
                yield member, stream


def _unpacked(kind: Archive, filename: str, guard: Guard) -> Members:
    match kind:
        case "tar":
            return tar.members(Packed(guard), guard)
        case "zip":
            return zip.members(guard, is_wheel=filename.lower().endswith(".whl"))
        case "deb":
            return deb.members(guard)
        case "compressed":
            return _decompressed(filename, guard)
        case "plain":
            return _plain(filename, guard)


def _decompressed(filename: str, guard: Guard) -> Members:
    suffix = next((s for s in _KINDS["compressed"] if filename.lower().endswith(s)), "")
    packed = Packed(guard)
    path = guard.choose(filename[: len(filename) - len(suffix)].encode())
    if not packed.is_compressed:
        raise guard.broken("its first bytes are not those of gzip, xz, zstd or bzip2")
    with closing(packed.unpacked()) as chunks:
        if path is not None:
            yield _single(path, None, readable(chunks))
        for _ in chunks:
            pass  # the end has the checksum


def _plain(filename: str, guard: Guard) -> Members:
    path = guard.choose(filename.encode())
    if path is not None:
        size = guard.archive.stat().st_size
        guard.declare(size)
        yield _single(path, size, BufferedReader(guard.open()))


def _single(path: str, size: int | None, stream: BufferedReader) -> tuple[Member, BufferedReader]:
    """Return a file that was published alone, and so without a mode: its first bytes tell."""
    executable = stream.peek(len(_ELF)).startswith((_ELF, b"#!"))
    return Member(path=path, type="file", executable=executable, size=size), stream
