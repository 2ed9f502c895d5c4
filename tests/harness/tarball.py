"""Tar balls of given files."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROGRAM = (b"\x7fELF", b"#!")


def tarball(
    files: Mapping[str, bytes | str], *odd: tarfile.TarInfo, compression: str = "gz"
) -> bytes:
    """Return a tar ball.

    Args:
        files: data of files by path, executable if it is a program's; as text, a link's target.
        odd: members that come after all others, without data.
        compression: as `tarfile.open` names it; empty for none.

    """
    buffer = io.BytesIO()
    quickly = {"compresslevel": 1} if compression == "gz" else {}
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}", **quickly) as archive:  # type: ignore[call-overload]
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            if isinstance(data, str):
                member.type, member.linkname = tarfile.SYMTYPE, data
                archive.addfile(member)
            else:
                member.mode = 0o755 if data.startswith(_PROGRAM) else 0o644
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        for member in odd:
            archive.addfile(member)
    data = buffer.getvalue()
    # without gzip's time (RFC 1952) the same files are the same bytes
    return data[:4] + bytes(4) + data[8:] if compression == "gz" else data
