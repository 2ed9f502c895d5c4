"""Tar archives, read in one pass by the standard library's tarfile, but strictly.

Left to itself, tarfile takes a damaged header behind the first for the archive's end, which would
lose members without a word; it reads headers of any length; it takes the times that GNU's
incremental archives keep in a header for a part of the name, and no folder to have data. Its hooks
mend all of this.
"""

from __future__ import annotations

import hashlib
import tarfile
from base64 import b64decode
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Literal, Self, TypeVar, cast

from bakery.archive import paths
from bakery.archive.compression import CHUNK
from bakery.archive.model import Member
from bakery.archive.stream import ForwardFile, readable
from bakery.recipe.capabilities import ATTRIBUTE, Capabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from bakery.archive.compression import Packed
    from bakery.archive.guard import Guard
    from bakery.archive.model import Members

_LONGEST = 1 << 20  # bytes of all that describes one member: pax records, long names, maps of holes
_PREFIX = slice(345, 500)  # of the name, where the magic is POSIX's
_MAGIC = slice(257, 263)
_VOLUME = b"V"  # GNU's label of an archive, which is no member
_SETUID = 0o6000
_Kind = Literal["file", "directory", "link", "hard link"]
_KINDS: Mapping[bytes, _Kind] = {
    **dict.fromkeys(tarfile.REGULAR_TYPES, "file"),
    tarfile.LNKTYPE: "hard link",
    tarfile.SYMTYPE: "link",
    tarfile.DIRTYPE: "directory",
    b"D": "directory",  # with a list of its files, in GNU's incremental archives
}
_SPECIAL = {
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
}


@dataclass(frozen=True)
class _Entry:
    """A member as the archive has it; `content` is there for files, until the next is read."""

    raw: bytes
    kind: _Kind | None
    info: tarfile.TarInfo
    content: BinaryIO | None
    target: bytes
    original: str = ""  # whose content a hard link shares

    @property
    def path(self) -> str:
        return paths.spelled(self.raw)

    def member(self, path: str) -> Member:
        """Return what this entry is at a path."""
        if self.kind == "directory":
            return Member(path=path, type="directory")
        executable = bool(self.info.mode & 0o111)
        return Member(
            path=path,
            type="file",
            executable=executable,
            size=self.info.size,
            privileges=_privileges(self.info),
        )


def _privileges(info: tarfile.TarInfo) -> str | None:
    """Return what a header says of setuid, setgid and capabilities: as GNU tar or bsdtar has it."""
    found = [f"mode {info.mode & 0o7777:04o}"] if info.mode & _SETUID else []
    attribute = _encoded(info.pax_headers.get(f"SCHILY.xattr.{ATTRIBUTE}", ""))
    if not attribute:
        with suppress(ValueError):
            attribute = b64decode(info.pax_headers.get(f"LIBARCHIVE.xattr.{ATTRIBUTE}", "") + "==")
    capabilities = Capabilities.decode(attribute)
    return " and ".join([*found, *([str(capabilities)] if capabilities else [])]) or None


def members(packed: Packed, guard: Guard, *, rooted: bool = False) -> Members:
    """Yield the wanted members of a tar archive; those that are hard links come last.

    Args:
        packed: the archive; unpacked again where hard links are wanted, since what they share has
            gone by.
        guard: judges the wanted members.
        rooted: whether absolute targets of links start at the tree's root.

    Raises:
        HostileArchiveError: a wanted member means harm.
        BrokenArchiveError: the archive is damaged.

    """
    later = _Later()
    with closing(packed.unpacked()) as chunks:
        yield from _members(_entries(chunks, packed, guard), guard, later, rooted=rooted)
    if later.links or later.repeated:
        with closing(packed.unpacked()) as chunks:
            yield from _second_pass(_entries(chunks, packed, guard), guard, later)


@dataclass(frozen=True)
class _Later:
    """What only a second pass can tell.

    Attributes:
        links: for every wanted hard link, the path of the file that it shares.
        repeated: paths of several wanted files, which must be equal.

    """

    links: dict[str, str] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)


def _members(entries: Iterator[_Entry], guard: Guard, later: _Later, *, rooted: bool) -> Members:
    for entry in _resolved(entries):
        path = guard.choose(entry.raw, is_folder=entry.kind == "directory")
        if path is None or (path == entry.original and guard.is_file(path)):
            continue
        if entry.kind is None:
            special = _SPECIAL.get(entry.info.type, "of an unknown kind")
            raise guard.hostile(f"it is {special}")
        member = entry.member(path)
        if entry.kind == "link":
            text = guard.target(entry.target, path, rooted=rooted)
            member = Member(path=path, type="link", target=text)
        if not guard.claim(path, entry.kind, member, entry.original):
            if entry.kind == "file":
                later.repeated.add(path)
        elif entry.kind == "hard link":
            later.links[path] = entry.original
        else:
            guard.declare(member.size or 0)
            yield member, entry.content


def _resolved(entries: Iterator[_Entry]) -> Iterator[_Entry]:
    """Yield members; hard links know whose content they share, or are the symbolic link itself."""
    originals: dict[str, str] = {}
    targets: dict[str, bytes] = {}
    for entry in entries:
        resolved = entry
        if entry.kind == "hard link":
            path = paths.spelled(entry.target)
            original = originals[entry.path] = originals.get(path, path)
            resolved = replace(entry, original=original)
            if original in targets:
                resolved = replace(entry, kind="link", target=targets[original])
        if resolved.kind == "link":
            targets[entry.path] = resolved.target
        yield resolved


def _second_pass(entries: Iterator[_Entry], guard: Guard, later: _Later) -> Members:
    links: dict[str, list[str]] = {}
    for path, original in later.links.items():
        links.setdefault(original, []).append(path)
    named = later.repeated | links.keys()
    digests: dict[str, bytes] = {}
    for entry in entries:
        if entry.kind == "hard link" and later.links.get(entry.path, "") in links.keys() - digests:
            raise guard.hostile("it is a hard link to something that is no file before it")
        if entry.content is None or entry.path not in named:
            continue
        with TemporaryFile() as copy:
            digest = _copy(entry.content, copy)
            if digests.get(entry.path, digest) != digest:
                raise guard.hostile("its path appears twice, and what it names differs")
            for path in links.get(entry.path, ()) if entry.path not in digests else ():
                guard.declare(entry.info.size)
                copy.seek(0)
                with open(copy.fileno(), "rb", closefd=False) as content:
                    yield entry.member(path), content
            digests[entry.path] = digest


def _copy(content: BinaryIO, copy: IO[bytes]) -> bytes:
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK):
        digest.update(chunk)
        copy.write(chunk)
    copy.flush()
    return digest.digest()


def _entries(
    chunks: Generator[bytes, None, None], packed: Packed, guard: Guard
) -> Iterator[_Entry]:
    """Yield every member; what the caller leaves of its content is skipped."""
    # what is compressed tells its own end, so that the one of tar may be missing
    file: Any = ForwardFile(chunks, guard, headroom=_LONGEST, may_end=packed.is_compressed)
    with _blaming(guard):
        archive: Any = tarfile.TarFile(
            fileobj=file, tarinfo=_Header, encoding="utf-8", errors="surrogateescape"
        )
    while True:
        file.headroom = _LONGEST
        with _blaming(guard):
            info = archive.next()
        if info is None:
            break
        file.headroom = None
        archive.members.clear()  # it would keep all of them
        guard.member = _encoded(info.name)
        if info.size < 0:
            raise guard.broken("a header has a negative number")
        if info.type != _VOLUME:
            yield _entry(archive, info, file)
        guard.member = None
    _refuse_more(file, guard)


def _entry(archive: tarfile.TarFile, info: tarfile.TarInfo, file: ForwardFile) -> _Entry:
    kind = _KINDS.get(info.type)
    content = None
    if info.pax_headers.get("path", info.name).endswith("/") and kind == "file":
        kind = "directory"  # how tar had them before POSIX
    elif kind == "file" and info.issparse():
        content = cast("BinaryIO", archive.extractfile(info))
    elif kind == "file":
        content = readable(file.pieces(info.size))  # copied once less than by tarfile
    return _Entry(_encoded(info.name), kind, info, content, _encoded(info.linkname))


def _refuse_more(file: ForwardFile, guard: Guard) -> None:
    """Refuse another archive behind the end; what writers leave in their buffers means nothing."""
    for block in file.remaining(tarfile.BLOCKSIZE):
        if any(block):
            with suppress(tarfile.HeaderError, ValueError):
                tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
                raise guard.broken("it goes on behind its end")


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


_Parsed = TypeVar("_Parsed", bound=tarfile.TarInfo)


class _Header(tarfile.TarInfo):
    """A header, which raises ValueError where it is damaged.

    TarFile parses blocks by `frombuf`; by `_frombuf` since Python's releases of 2025.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse one block; GNU's has no prefix."""
        return cls._parsed(super().frombuf, buf, encoding, errors)

    @classmethod
    def _frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str, **options: bool) -> Self:
        inherited: Callable[..., Self] = super()._frombuf  # type: ignore[misc]  # not in typeshed
        return cls._parsed(partial(inherited, **options), buf, encoding, errors)

    @staticmethod
    def _parsed(
        parse: Callable[[bytes | bytearray, str, str], _Parsed],
        buf: bytes | bytearray,
        encoding: str,
        errors: str,
    ) -> _Parsed:
        try:
            header = parse(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if any(buf):
                raise ValueError(f"a header can't be read: {error}") from None
            raise
        if header.size < 0:
            raise ValueError("a header has a negative number")
        if buf[_MAGIC] != b"ustar\0" and any(buf[_PREFIX]):
            header.name = bytes(buf[:100]).partition(b"\0")[0].decode(encoding, errors)
        if header.isdir() and buf[156:157] == tarfile.AREGTYPE:
            header.type, header.name = tarfile.REGTYPE, f"{header.name}/"  # it may have data
        return header


@contextmanager
def _blaming(guard: Guard) -> Iterator[None]:
    try:
        yield
    except tarfile.ReadError:
        raise guard.broken("it ends too early") from None
    except (ValueError, ArithmeticError, LookupError, RecursionError) as error:
        raise guard.broken(str(error)) from None
