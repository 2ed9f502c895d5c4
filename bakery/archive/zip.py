"""Zip archives and wheels (APPNOTE.TXT of PKWARE; "Binary distribution format" of PyPA).

The standard library reads the directory; data is decompressed here, since its reader neither
bounds what bzip2 and lzma give nor minds what follows the declared size.
"""

from __future__ import annotations

import copy
import os
import re
import stat
import struct
import zipfile
from contextlib import ExitStack, closing, contextmanager
from io import BufferedReader
from typing import TYPE_CHECKING

from bakery.archive import deflate
from bakery.archive.compression import CHUNK, DamagedError, Deflate, inflated
from bakery.archive.model import Member
from bakery.archive.paths import LONGEST_PATH
from bakery.archive.stream import readable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from bakery.archive.guard import Guard
    from bakery.archive.model import Members, MemberType

_UTF8 = 1 << 11
_UNIX = (3, 19)  # Unix and macOS; other systems have no modes
_TYPES: dict[int, MemberType] = {
    0: "file",
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
}
_END_SIZE = 22  # bytes of the record at the end, without the comment that follows it
_MANY = 0xFFFF  # stands for a number that is in another record
_WHEEL_SCRIPT = re.compile(r"[^/]+\.data/scripts/.+")


def members(guard: Guard, *, is_wheel: bool) -> Members:
    """Yield the wanted members of a zip archive; all are judged before the first is yielded.

    Args:
        guard: whose archive to read; judges the wanted members.
        is_wheel: whether all below a wheel's scripts folder is executable.

    Raises:
        HostileArchiveError: a wanted member means harm.
        BrokenArchiveError: the archive is damaged.

    """
    with ExitStack() as stack:
        with _blaming(guard):
            file = stack.enter_context(BufferedReader(guard.open()))
            archive = stack.enter_context(zipfile.ZipFile(file))
        _compare_count(archive, guard)
        chosen: list[tuple[zipfile.ZipInfo, Member]] = []
        for info in archive.infolist():
            name = _name(info)
            path = guard.choose(name, is_folder=name.endswith(b"/"))
            if path is not None and (member := _judged(info, path, guard, is_wheel=is_wheel)):
                chosen.append((info, member))
        for info, member in chosen:
            guard.member = _name(info)
            with closing(_content(archive, info, guard)) as content:
                if member.type == "file":
                    yield member, readable(content)
                elif member.type == "directory":
                    for _ in content:
                        pass  # the end compares what it declares
                    yield member, None
                else:
                    target = guard.target(readable(content).read(LONGEST_PATH + 1), member.path)
                    yield Member(path=member.path, type="link", target=target), None


def _compare_count(archive: zipfile.ZipFile, guard: Guard) -> None:
    """Refuse a directory that lists another number of members than the record at the end says.

    A single damaged length in the directory hides members from the standard library.
    """
    with BufferedReader(guard.open()) as file:
        file.seek(-_END_SIZE - len(archive.comment), os.SEEK_END)
        end = file.read(_END_SIZE)
    count = int.from_bytes(end[10:12], "little")
    if not end.startswith(b"PK\5\6"):
        raise guard.broken("it goes on behind its end")
    if count not in (len(archive.infolist()), _MANY):
        raise guard.broken(f"its directory does not list its {count} members")


def _judged(info: zipfile.ZipInfo, path: str, guard: Guard, *, is_wheel: bool) -> Member | None:
    """Return a wanted member, or None if an equal one stands before it."""
    name = _name(info)
    mode = info.external_attr >> 16 if info.create_system in _UNIX else 0
    kind = _TYPES.get(stat.S_IFMT(mode))
    if kind is None:
        raise guard.hostile("it is a device, a named pipe or a socket")
    if kind == "file" and name.endswith(b"/"):  # as systems without modes have it
        kind = "directory"
    if name.endswith(b"/") != (kind == "directory"):
        raise guard.broken("its name and its mode disagree on whether it is a folder")
    executable = bool(mode & 0o111) or (is_wheel and bool(_WHEEL_SCRIPT.fullmatch(path)))
    if not guard.claim(path, kind, info.file_size, info.CRC, executable):
        return None
    guard.declare(info.file_size)
    if kind != "file":
        return Member(path=path, type=kind)
    privileges = f"mode {mode & 0o7777:04o}" if mode & 0o6000 else None
    return Member(
        path=path,
        type=kind,
        executable=executable,
        size=info.file_size,
        privileges=privileges,
    )


def _name(info: zipfile.ZipInfo) -> bytes:
    """Return a member's name as it is stored; what isn't marked as UTF-8 was read as cp437."""
    return info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")


def _content(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, guard: Guard
) -> Generator[bytes, None, None]:
    chunks: Iterator[bytes] = _stored(archive, info, guard)
    if info.compress_type == zipfile.ZIP_DEFLATED:
        chunks = _inflated(chunks, guard)
    elif info.compress_type != zipfile.ZIP_STORED:
        raise guard.broken(f"it is compressed by method {info.compress_type}; known is deflate")
    size = checksum = 0
    for chunk in chunks:
        size += len(chunk)
        checksum = deflate.crc32(chunk, checksum)
        if size > info.file_size:
            raise guard.broken(f"it holds more than the {info.file_size} bytes that it declares")
        yield chunk
    if size < info.file_size:
        raise guard.broken(f"it holds less than the {info.file_size} bytes that it declares")
    if checksum != info.CRC:
        raise guard.broken("its checksum is wrong")


def _stored(archive: zipfile.ZipFile, info: zipfile.ZipInfo, guard: Guard) -> Iterator[bytes]:
    """Yield a member's bytes as they are stored, compressed or not."""
    verbatim = copy.copy(info)
    verbatim.compress_type = zipfile.ZIP_STORED
    verbatim.file_size = info.compress_size
    del verbatim.CRC  # that of the decompressed bytes; without one, none is compared
    with _blaming(guard), archive.open(verbatim) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _inflated(stored: Iterator[bytes], guard: Guard) -> Iterator[bytes]:
    stream = Deflate(-deflate.MAX_WBITS)
    try:
        yield from inflated(stream, next(stored, b""), stored)
    except DamagedError as error:
        raise guard.broken(str(error)) from None
    if stream.unused_data or next(stored, b""):
        raise guard.broken("it goes on behind its compressed data")


@contextmanager
def _blaming(guard: Guard) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, RuntimeError, ValueError, EOFError, OSError, struct.error) as error:
        raise guard.broken(str(error) or "it ends too early") from None
