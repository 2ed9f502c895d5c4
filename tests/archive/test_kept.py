"""What several images unpack is decompressed once; the bytes and the verdicts stay the same."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
from typing import TYPE_CHECKING

import pytest

from bakery.archive.hashed import HashedFile
from bakery.archive.kept import Kept, SharedFile
from bakery.archive.unpack import BrokenArchiveError, members

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = bytes(range(256)) * 10000


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive with a hard link, which is unpacked twice."""
    path = tmp_path / "a.tar.xz"
    with tarfile.open(path, "w:xz", preset=0) as tar:
        info = tarfile.TarInfo("file")
        info.size = len(CONTENT)
        tar.addfile(info, io.BytesIO(CONTENT))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.LNKTYPE, "file"
        tar.addfile(link)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unpacked(kept: Kept, archive: Path, expected: str) -> dict[str, bytes]:
    file = kept.file(archive, expected)
    contents = {
        member.path: stream.read() if stream else b""
        for member, stream in members(file, "a.tar.xz", lambda _: True)
    }
    assert file.sha256() == digest(archive)
    return contents


def without_xz(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise lzma.LZMAError("nobody is to decompress")

    monkeypatch.setattr(lzma, "LZMADecompressor", refuse)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "kept", room=1 << 30)


def test_the_second_image_decompresses_nothing(
    kept: Kept, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.expect([digest(archive)] * 2)
    first = unpacked(kept, archive, digest(archive))
    assert first == {"file": CONTENT, "link": CONTENT}
    without_xz(monkeypatch)
    assert unpacked(kept, archive, digest(archive)) == first


def test_nothing_is_kept_of_what_one_image_alone_unpacks(kept: Kept, archive: Path) -> None:
    kept.expect([digest(archive)])
    assert type(kept.file(archive, digest(archive))) is HashedFile


def test_nothing_has_a_name(kept: Kept, archive: Path, tmp_path: Path) -> None:
    kept.expect([digest(archive)] * 2)
    unpacked(kept, archive, digest(archive))
    assert [*(tmp_path / "kept").iterdir()] == []


def test_other_bytes_are_kept_for_nobody(kept: Kept, archive: Path) -> None:
    right = "0" * 64
    kept.expect([right] * 2)
    unpacked(kept, archive, right)
    file = kept.file(archive, right)
    assert isinstance(file, SharedFile)
    assert file.known(0) is None


def test_a_damaged_archive_is_kept_for_nobody(kept: Kept, archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-20])
    kept.expect([digest(archive)] * 2)
    for _ in range(2):
        with pytest.raises(BrokenArchiveError, match="ends too early"):
            unpacked(kept, archive, digest(archive))


def test_what_finds_no_room_is_decompressed_again(archive: Path, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept", room=len(CONTENT) - 1)
    kept.expect([digest(archive)] * 2)
    for _ in range(2):
        assert unpacked(kept, archive, digest(archive)) == {"file": CONTENT, "link": CONTENT}
    file = kept.file(archive, digest(archive))
    assert isinstance(file, SharedFile)
    assert file.known(0) is None
