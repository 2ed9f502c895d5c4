from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from bakery.archive import deflate
from bakery.archive.compression import CHUNK
from bakery.archive.unpack import BrokenArchiveError, HostileArchiveError, Limits

if TYPE_CHECKING:
    from pathlib import Path

WITHOUT_ISAL = """
import sys
sys.modules["isal"] = None
from bakery.archive import deflate
print(deflate.library.__name__)
"""


@pytest.fixture(autouse=True, params=["isal.isal_zlib", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have deflate read by one library and by the other."""
    module = pytest.importorskip(request.param)
    for name in ("decompressobj", "crc32", "error"):
        monkeypatch.setattr(deflate, name, getattr(module, name))


def test_zlib_serves_where_isal_is_not_installed() -> None:
    command = [sys.executable, "-c", WITHOUT_ISAL]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "zlib\n"


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_every_size(level: int, size: int, tmp_path: Path, unpack: Any) -> None:
    content = (b"\0" * (size - size // 2) + os.urandom(size // 2))[:size]
    plain = tmp_path / "a.gz"
    plain.write_bytes(gzip.compress(content, level))
    assert unpack(plain)["a"][1] == content
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("zeros", bytes(size), zipfile.ZIP_DEFLATED, level)
        archive.writestr("a", content, zipfile.ZIP_DEFLATED, level)
    found = unpack(tmp_path / "a.zip")
    assert (found["zeros"][1], found["a"][1]) == (bytes(size), content)


def test_streams_that_follow_each_other(tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(CHUNK)) * 3 + bytes(512))
    assert unpack(path)["a"][1] == bytes(3 * CHUNK)


def test_every_damaged_byte_of_the_checksums_is_noticed(tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / "a.gz"
    whole = gzip.compress(os.urandom(100))
    for place in range(len(whole) - 8, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BrokenArchiveError):
            unpack(path)


@pytest.mark.parametrize("left", range(1, 40))
def test_every_missing_end_is_noticed(left: int, tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(2 * CHUNK))[:-left])
    with pytest.raises(BrokenArchiveError):
        unpack(path)


def test_a_bomb(tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(64 << 20)))
    with pytest.raises(HostileArchiveError, match="50 times its size"):
        unpack(path, limits=Limits(ratio=50, free=1 << 20))


def test_no_more_comes_at_once_than_is_asked_for() -> None:
    stream = deflate.decompressobj(-deflate.MAX_WBITS)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = packer.compress(bytes(8 << 20)) + packer.flush()
    while not stream.eof:
        assert len(stream.decompress(data, 1 << 16)) <= 1 << 16
        data = stream.unconsumed_tail
