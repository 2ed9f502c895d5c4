from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from harness.elf import program

from bakery.archive.unpack import BrokenArchiveError, HostileArchiveError, Limits, kind_of, members

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("docker-20.10.13.tgz", "tar"),
        ("kata-static-3.21.0-amd64.tar.zst", "tar"),
        ("Etcd.TAR.GZ", "tar"),
        *((f"a.{suffix}", "tar") for suffix in ("tar", "tar.xz", "txz", "tzst", "tar.zstd", "tbz")),
        ("terraform_1.9_linux_amd64.zip", "zip"),
        ("uv-0.5-py3-none-manylinux_2_17_x86_64.whl", "zip"),
        ("docker-ce_27_amd64.deb", "deb"),
        *((f"coder.{suffix}", "compressed") for suffix in COMPRESS),
        ("kubectl", "plain"),
        ("k3s.gz.sha256", "plain"),
    ],
)
def test_kind_of(name: str, kind: str) -> None:
    assert kind_of(name) == kind


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file(suffix: str, tmp_path: Path, unpack: Any) -> None:
    content = os.urandom(100_000) + bytes(3 << 20)
    path = tmp_path / "0123abcd"
    path.write_bytes(COMPRESS[suffix](content))
    found = unpack(path, f"coder.{suffix}")
    assert found.keys() == {"coder"}
    member, data = found["coder"]
    assert (member.type, member.executable, member.size) == ("file", False, None)
    assert data == content
    assert unpack(path, "coder", kind="compressed").keys() == {"coder"}
    assert unpack(path, f"coder.{suffix}", wanted=lambda _: False) == {}


@pytest.mark.parametrize(("program", "suffix"), [("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")])
def test_what_the_tools_compress(
    program: str, suffix: str, tmp_path: Path, tool: Any, unpack: Any
) -> None:
    (tmp_path / "a").write_bytes(b"a" * 100_000)
    tool(program, "-k", "a", cwd=tmp_path)
    assert unpack(tmp_path / f"a.{suffix}")["a"][1] == b"a" * 100_000


@pytest.mark.parametrize("suffix", COMPRESS)
def test_streams_may_follow_each_other(suffix: str, tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / f"a.{suffix}"
    streams = COMPRESS[suffix](b"1234") + COMPRESS[suffix](b"") + COMPRESS[suffix](b"5")
    path.write_bytes(streams * 9_999 + bytes(512))
    assert unpack(path)["a"][1] == b"12345" * 9_999


def test_what_pzstd_adds_is_skipped(tmp_path: Path, unpack: Any) -> None:
    skipped = bytes.fromhex("502a4d18 04000000 0000002a")
    path = tmp_path / "a.zst"
    path.write_bytes((skipped + zstandard.compress(b"ab")) * 2)
    assert unpack(path)["a"][1] == b"abab"


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("answer", [True, False], ids=["wanted", "unwanted"])
def test_damage(suffix: str, answer: Any, tmp_path: Path, unpack: Any) -> None:
    whole = COMPRESS[suffix](os.urandom(100_000))
    path = tmp_path / f"a.{suffix}"
    middle = len(whole) // 2
    altered = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damaged in (whole[:-1], whole[:middle], altered, whole + b"junk", b"", b"<html>"):
        path.write_bytes(damaged)
        with pytest.raises(BrokenArchiveError) as caught:
            unpack(path, wanted=lambda _: answer)
        assert caught.value.what == f"the archive a.{suffix} is damaged"
        assert caught.value.fix


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_bomb(suffix: str, tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(COMPRESS[suffix](bytes(16 << 20)))
    with pytest.raises(HostileArchiveError, match="50 times its size"):
        unpack(path, limits=Limits(ratio=50, free=1 << 20))


@pytest.mark.parametrize("suffix", COMPRESS)
def test_memory_does_not_grow_with_sizes(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    size = (256 if suffix == "zst" else 64) << 20
    path.write_bytes(COMPRESS[suffix](bytes(size)))
    walk = members(path, path.name, lambda _: True, limits=Limits(ratio=1 << 20))
    tracemalloc.start()
    try:
        for _, stream in walk:
            assert stream is not None
            assert sum(map(len, iter(partial(stream.read, 1 << 20), b""))) == size
        assert tracemalloc.get_traced_memory()[1] < size / 2
    finally:
        tracemalloc.stop()


def test_a_plain_file_is_left_as_it_is(tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / "0123abcd"
    path.write_bytes(gzip.compress(b"kubectl"))
    member, data = unpack(path, "kubectl")["kubectl"]
    assert (member.size, data) == (path.stat().st_size, path.read_bytes())
    with pytest.raises(HostileArchiveError, match="unpacks to more"):
        unpack(path, "kubectl", limits=Limits(total=3))


@pytest.mark.parametrize(
    ("content", "executable"),
    [
        (program("arm64"), True),
        (b"#!/bin/sh\n", True),
        (b"#", False),
        (b"", False),
        (b"\0asm\1\0\0\0", False),
    ],
)
@pytest.mark.parametrize("compress", [None, *COMPRESS])
def test_a_file_alone_is_a_program_if_it_begins_like_one(
    compress: str | None, content: bytes, *, executable: bool, tmp_path: Path, unpack: Any
) -> None:
    path = tmp_path / "0123abcd"
    path.write_bytes(COMPRESS[compress](content) if compress else content)
    member, data = unpack(path, "tool" + (f".{compress}" if compress else ""))["tool"]
    assert (member.executable, data) == (executable, content)


def test_a_walk_that_stops_closes_its_files(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"1"))
    walk = members(path, "a.gz", lambda _: True)
    _, stream = next(walk)
    walk.close()
    assert stream is not None
    assert stream.closed


def test_errors_of_the_caller_stay_his(tmp_path: Path, tool: Any, unpack: Any) -> None:
    def wanted(_: str) -> bool:
        raise ValueError("not the archive's fault")

    (tmp_path / "a").touch()
    tool("zip", "a.zip", "a", cwd=tmp_path)
    tool("tar", "-cf", "a.tar", "a", cwd=tmp_path)
    for name in ("a.zip", "a.tar"):
        with pytest.raises(ValueError, match="not the archive's fault"):
            unpack(tmp_path / name, wanted=wanted)
