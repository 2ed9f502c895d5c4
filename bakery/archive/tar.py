"""Tar archives, read in one pass and strictly.

The standard library's tarfile takes a damaged header behind the first for the archive's end, which
would lose members without a word. Here the end is a block of zeros, and only zeros may follow.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Literal

from bakery.archive import paths, tar_header, tar_sparse
from bakery.archive.compression import CHUNK
from bakery.archive.model import Member
from bakery.archive.stream import Blocks, readable
from bakery.archive.tar_header import BLOCK, decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from bakery.archive.guard import Guard
    from bakery.archive.model import Members, Piece
    from bakery.archive.tar_header import Header

_END = bytes(BLOCK)
_Kind = Literal["file", "directory", "link", "hard link"]
_KINDS: Mapping[bytes, _Kind] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"S": "file",
    b"1": "hard link",
    b"2": "link",
    b"5": "directory",
}
_SPECIAL = {b"3": "a device", b"4": "a device", b"6": "a named pipe"}
_LONG = {b"L": b"path", b"K": b"linkpath"}  # GNU's long names, by the pax keyword they stand for
_EXTENSIONS = (b"x", b"X", b"g", *_LONG)


@dataclass(frozen=True)
class _Entry:
    name: bytes
    kind: _Kind
    executable: bool
    size: int
    stored: int
    target: bytes
    data: Iterator[Piece]


def members(
    unpacked: Callable[[], Generator[bytes, None, None]],
    wanted: Callable[[str], bool],
    guard: Guard,
    *,
    rooted: bool = False,
) -> Members:
    """Yield the wanted members of a tar archive; those that are hard links come last.

    Args:
        unpacked: opens the archive's decompressed bytes; called again where hard links are wanted,
            since what they share has gone by.
        wanted: tells by a path whether its member is yielded.
        guard: judges every member.
        rooted: whether absolute targets of links start at the tree's root.

    Raises:
        HostileArchiveError: a member means harm.
        BrokenArchiveError: the archive is damaged.

    """
    shared: dict[str, list[str]] = {}
    with closing(unpacked()) as chunks:
        yield from _members(Blocks(chunks, guard), wanted, guard, shared, rooted=rooted)
    if shared:
        with closing(unpacked()) as chunks:
            yield from _hard_links(Blocks(chunks, guard), guard, shared)


def _members(
    blocks: Blocks,
    wanted: Callable[[str], bool],
    guard: Guard,
    shared: dict[str, list[str]],
    *,
    rooted: bool,
) -> Members:
    originals: dict[str, str] = {}
    for entry in _entries(blocks, guard):
        path = guard.admit(entry.name, entry.kind)
        guard.declare(entry.size)
        original = _original(entry, originals) if entry.kind == "hard link" else None
        if original:
            originals[path] = original
        if not path or not wanted(path):
            continue
        if entry.kind == "file":
            yield _file(path, entry), readable(entry.data)
        elif entry.kind == "hard link":
            if not original or not guard.is_file(original):
                raise guard.hostile("it is a hard link to something that is no file before it")
            shared.setdefault(original, []).append(path)
        elif entry.kind == "link":
            target = guard.target(entry.target, path, rooted=rooted)
            yield Member(path=path, type="link", target=target), None
        else:
            yield Member(path=path, type="directory"), None


def _original(entry: _Entry, originals: Mapping[str, str]) -> str | None:
    try:
        path = paths.normalised(entry.target)
    except paths.UnsafePathError:
        return None
    return originals.get(path, path)


def _hard_links(blocks: Blocks, guard: Guard, shared: dict[str, list[str]]) -> Members:
    for entry in _entries(blocks, guard):
        links = shared.pop(paths.normalised(entry.name), ()) if entry.kind == "file" else ()
        if not links:
            continue
        with TemporaryFile() as copy:
            copy.writelines(entry.data)
            for path in links:
                guard.declare(entry.size)
                copy.seek(0)
                content = iter(partial(copy.read, CHUNK), b"")
                yield _file(path, entry), readable(content)


def _file(path: str, entry: _Entry) -> Member:
    return Member(path=path, type="file", executable=entry.executable, size=entry.size)


def _entries(blocks: Blocks, guard: Guard) -> Iterator[_Entry]:
    """Yield every member; what the caller leaves of its data is skipped."""
    common: dict[bytes, bytes] = {}
    own: dict[bytes, bytes] = {}
    while (block := blocks.exactly(BLOCK)) != _END:
        with _blaming(guard):
            header = tar_header.parse(block)
            if header.kind in _EXTENSIONS:
                _extend(header, blocks, own, common)
                continue
            entry = _entry(header, {**common, **own}, blocks, guard)
        own = {}
        yield entry
        for _ in entry.data:
            pass
        blocks.exactly(-entry.stored % BLOCK)
        guard.member = None
    if own:
        raise guard.broken("its last header speaks of a member that is not there")
    if any(bytes(piece).strip(b"\0") for piece in blocks.remaining()):
        raise guard.broken("it goes on behind its end")


def _extend(
    header: Header, blocks: Blocks, own: dict[bytes, bytes], common: dict[bytes, bytes]
) -> None:
    if header.size > tar_header.LONGEST:
        raise ValueError("an extended header is too long")
    data = blocks.exactly(header.size)
    blocks.exactly(-header.size % BLOCK)
    if header.kind in _LONG:
        own[_LONG[header.kind]] = data.rstrip(b"\0")
    else:
        tar_header.merge(tar_header.records(data), common if header.kind == b"g" else own)


def _entry(header: Header, said: Mapping[bytes, bytes], blocks: Blocks, guard: Guard) -> _Entry:
    name = said.get(b"GNU.sparse.name") or said.get(b"path") or header.name
    guard.member = name
    if header.kind not in _KINDS:
        raise guard.hostile(f"it is {_SPECIAL.get(header.kind, 'of an unknown kind')}")
    kind = _KINDS[header.kind]
    stored = size = 0
    data: Iterator[Piece] = iter(())
    if kind == "file":
        stored = size = decimal(said[b"size"]) if said.get(b"size") else header.size
        data = blocks.pieces(size)
        if sparse := tar_sparse.layout(header, said, stored, blocks):
            size, stored, segments = sparse
            data = tar_sparse.expanded(blocks, segments, size)
        if name.endswith(b"/"):  # how tar had directories before POSIX
            kind = "directory"
    return _Entry(
        name=name,
        kind=kind,
        executable=bool(header.mode & 0o111),
        size=size,
        stored=stored,
        target=said.get(b"linkpath") or header.target,
        data=data,
    )


@contextmanager
def _blaming(guard: Guard) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise guard.broken(str(error)) from None
