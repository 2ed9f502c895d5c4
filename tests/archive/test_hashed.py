"""The digest of a file that an archive is read from, whatever of it is read."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING, Literal

import pytest

from bakery.archive.hashed import HashedFile
from bakery.archive.unpack import members

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONTENT = bytes(range(256)) * 5000
NAMES = [f"folder/{number}" for number in range(5)]


def packed_tar(mode: Literal["w:", "w:gz", "w:xz"]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name in NAMES:
            info = tarfile.TarInfo(name)
            info.size = len(CONTENT)
            tar.addfile(info, io.BytesIO(CONTENT))
        link = tarfile.TarInfo("link")
        link.type = tarfile.LNKTYPE
        link.linkname = NAMES[0]
        tar.addfile(link)
    return buffer.getvalue()


def packed_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in NAMES:
            archive.writestr(name, CONTENT)
        archive.comment = b"nobody reads this"
    return b"a program that unpacks itself" + buffer.getvalue()


def packed_deb() -> bytes:
    parts = {"debian-binary": b"2.0\n", "control.tar": b"odd", "data.tar": packed_tar("w:")}
    packed = b"!<arch>\n"
    for name, data in parts.items():
        packed += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
        packed += data + b"\n" * (len(data) % 2)
    return packed


FILES: dict[str, Callable[[], bytes]] = {
    "a.tar": lambda: packed_tar("w:"),
    "a.tar.gz": lambda: packed_tar("w:gz"),
    "a.tar.xz": lambda: packed_tar("w:xz"),
    "a.zip": packed_zip,
    "a.deb": packed_deb,
    "a.gz": lambda: gzip.compress(CONTENT),
    "plain": lambda: CONTENT,
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("wanted", ["all", "some", "none"])
def test_it_is_that_of_the_whole_file(tmp_path: Path, name: str, wanted: str) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    chosen = {
        "all": lambda _: True,
        "some": lambda path: path.endswith("3"),
        "none": lambda _: False,
    }
    file = HashedFile(path)
    for _, stream in members(file, name, chosen[wanted]):
        if stream is not None and wanted == "all":
            stream.read()
    assert file.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_read_in_order_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed_tar("w:gz"))
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    file = HashedFile(path)
    for _ in members(file, path.name, lambda _: True):
        pass
    path.write_bytes(b"")
    assert file.sha256() == expected


@pytest.mark.parametrize("size", [-1, None, 7, 1 << 20])
def test_however_it_is_read(tmp_path: Path, size: int | None) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    file = HashedFile(path)
    with file.open() as stream, io.BufferedReader(file.open()) as buffered:
        stream.seek(1000)
        stream.read(10)
        buffered.read(17)
        stream.seek(5)
        stream.read(size)
        buffered.read(size)
        assert stream.tell() == min(len(CONTENT), 5 + size if size and size > 0 else len(CONTENT))
    assert file.sha256() == hashlib.sha256(CONTENT).hexdigest()
