"""Tar archives: what tar packs arrives whole, in every layout; the hostile are refused."""

from __future__ import annotations

import gzip
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from bakery.archive.unpack import BrokenArchiveError, HostileArchiveError, Limits, members

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Pack = Callable[..., Path]

FILE = {"name": "docker/dockerd", "mode": 0o755}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "docker" / "empty").mkdir(parents=True)
    (root / "docker" / "dockerd").write_bytes(os.urandom(300_000))
    (root / "docker" / "dockerd").chmod(0o755)
    (root / "docker" / "größe.txt").write_text("groß\n")
    (root / "docker" / "zero").touch()
    (root / "docker" / "cli").symlink_to("../docker/dockerd")
    (root / ("d" * 90)).mkdir()
    (root / ("d" * 90) / ("n" * 90)).write_text("a long name")
    return root


@pytest.mark.parametrize("layout", ["ustar", "gnu", "posix", "v7"])
def test_what_tar_packs(layout: str, tree: Path, tmp_path: Path, tool: Any, unpack: Any) -> None:
    if layout in ("ustar", "v7"):
        (tree / "docker" / "größe.txt").rename(tree / "docker" / "size.txt")
    if layout == "v7":
        (tree / ("d" * 90) / ("n" * 90)).unlink()
    archive = tmp_path / "asset.tar"
    tool("tar", f"--format={layout}", "-cf", archive, "-C", tree, ".", cwd=tmp_path)
    _assert_same(unpack(archive), tree)


@pytest.mark.parametrize("suffix", ["tgz", "tar.xz", "tbz2", "tar.zst"])
def test_what_tar_compresses(
    suffix: str, tree: Path, tmp_path: Path, tool: Any, unpack: Any
) -> None:
    archive = tmp_path / f"asset.{suffix}"
    tool("tar", "--auto-compress", "-cf", archive, "-C", tree, ".", cwd=tmp_path)
    _assert_same(unpack(archive), tree)


def _assert_same(found: Any, tree: Path) -> None:
    for path in tree.rglob("*"):
        member, content = found.pop(path.relative_to(tree).as_posix())
        if path.is_symlink():
            assert (member.type, member.target) == ("link", str(path.readlink()))
        elif path.is_dir():
            assert member.type == "directory"
        else:
            assert member.size == path.stat().st_size
            assert member.executable == bool(path.stat().st_mode & 0o100)
            assert content == path.read_bytes()
    assert not found


def test_compression_is_told_by_content(tar_of: Pack, unpack: Any) -> None:
    assert unpack(tar_of((FILE, b"x"), mode="w:xz"), "docker.tgz")["docker/dockerd"][1] == b"x"


@pytest.mark.parametrize(
    "layout", ["gnu", "posix", "posix --sparse-version=0.0", "posix --sparse-version=0.1"]
)
def test_files_with_holes(layout: str, tmp_path: Path, tool: Any, unpack: Any) -> None:
    path = tmp_path / "disk"
    with path.open("wb") as file:
        for i in range(200):  # more segments than fit one header
            file.seek(i * (64 << 10))
            file.write(b"%03d" % i * 1000)
        file.truncate(16 << 20)
    options = f"--format={layout}".split()
    tool("tar", "--sparse", "--hole-detection=raw", *options, "-czf", "a.tgz", "disk", cwd=tmp_path)
    assert (tmp_path / "a.tgz").stat().st_size < 1 << 20
    assert unpack(tmp_path / "a.tgz")["disk"][1] == path.read_bytes()


def test_only_what_is_wanted_is_yielded(tar_of: Pack, unpack: Any) -> None:
    asked: list[str] = []
    archive = tar_of(({"name": "./a"}, b"a"), ({"name": "b//c"}, b"c"), ({"name": "d"}, b"d"))

    def wanted(path: str) -> bool:
        asked.append(path)
        return path == "b/c"

    found = unpack(archive, wanted=wanted)
    assert {path: content for path, (_, content) in found.items()} == {"b/c": b"c"}
    assert asked == ["a", "b/c", "d"]


def test_a_stream_ends_with_its_turn(tar_of: Pack) -> None:
    turns = members(tar_of(({"name": "a"}, b"12"), ({"name": "b"}, b"34")), "a.tgz", lambda _: True)
    _, first = next(turns)
    assert first is not None
    assert first.read(1) == b"1"
    _, second = next(turns)
    with pytest.raises(ValueError, match="closed"):
        first.read()
    assert second is not None
    assert second.read() == b"34"
    turns.close()


def test_a_hard_link_has_the_content_it_shares(tmp_path: Path, tool: Any, unpack: Any) -> None:
    (tmp_path / "git").write_text("#!git")
    (tmp_path / "git").chmod(0o755)
    for name in ("git-add", "git-rm"):
        (tmp_path / name).hardlink_to(tmp_path / "git")
    tool("tar", "-cJf", "git.txz", "git", "git-add", "git-rm", cwd=tmp_path)
    for names in (["git-rm"], ["git-add", "git-rm"], ["git", "git-add"]):
        found = unpack(tmp_path / "git.txz", wanted=names.__contains__)
        assert {
            name: (m.type, m.executable, m.size, data) for name, (m, data) in found.items()
        } == dict.fromkeys(names, ("file", True, 5, b"#!git"))


def test_a_hard_link_may_share_what_another_shares(tar_of: Pack, unpack: Any) -> None:
    link = {"type": tarfile.LNKTYPE}
    archive = tar_of(
        ({"name": "a"}, b"data"),
        ({"name": "b", "linkname": "./a", **link}, b""),
        ({"name": "c", "linkname": "b", **link}, b""),
    )
    assert unpack(archive, wanted="c".__eq__)["c"][1] == b"data"


HOSTILE = {
    "absolute": {"name": "/etc/passwd"},
    "goes up": {"name": "docker/../../etc/passwd"},
    "goes up with": {"name": "docker/.."},
    "control character": {"name": "docker/\x1b[2J"},
    "not UTF-8": {"name": "docker/\udcff"},
    "path is empty": {"name": ""},
    "more than 255 bytes": {"name": "n" * 256},
    "more than 4096 bytes": {"name": "n/" * 2049},
    "takes the place of the archive's root": {"name": "./."},
    "appears twice": {"name": "link", "type": tarfile.DIRTYPE},
    "lies below a path that is a file": {"name": "first/second"},
    "lies below a path that is a link": {"name": "link/second"},
    "is a device": {"name": "null", "type": tarfile.CHRTYPE},
    "a device": {"name": "sda", "type": tarfile.BLKTYPE},
    "named pipe": {"name": "pipe", "type": tarfile.FIFOTYPE},
    "unknown kind": {"name": "acl", "type": b"A"},
    "absolute path": {"name": "l", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    "outside": {"name": "d/l", "type": tarfile.SYMTYPE, "linkname": "../../x"},
    "went down": {"name": "d/l", "type": tarfile.SYMTYPE, "linkname": "link/../../x"},
    "target is empty": {"name": "l", "type": tarfile.SYMTYPE, "linkname": ""},
    "target has a control": {"name": "l", "type": tarfile.SYMTYPE, "linkname": "a\n"},
    "target is not UTF-8": {"name": "l", "type": tarfile.SYMTYPE, "linkname": "\udcff"},
    "no file before it": {"name": "h", "type": tarfile.LNKTYPE, "linkname": "later"},
    "is no file": {"name": "h", "type": tarfile.LNKTYPE, "linkname": "h"},
    "a hard link": {"name": "h", "type": tarfile.LNKTYPE, "linkname": "../../etc/passwd"},
    "that is no file": {"name": "h", "type": tarfile.LNKTYPE, "linkname": "/etc/passwd"},
}
BEFORE = (
    ({"name": "first"}, b""),
    ({"name": "link", "type": tarfile.SYMTYPE, "linkname": "first"}, b""),
)


@pytest.mark.parametrize(("why", "fields"), HOSTILE.items(), ids=HOSTILE)
def test_refused_when_wanted(why: str, fields: dict[str, Any], tar_of: Pack, unpack: Any) -> None:
    archive = tar_of(*BEFORE, (fields, b""), ({"name": "later"}, b""))
    with pytest.raises(HostileArchiveError, match=why) as caught:
        unpack(archive, "docker-1.tgz")
    assert "docker-1.tgz" in caught.value.what
    raw = fields["name"].encode(errors="surrogateescape").decode(errors="backslashreplace")
    assert repr(raw)[1:200] in (caught.value.where or "")
    assert unpack(archive, wanted="later".__eq__).keys() == {"later"}


def test_a_folder_may_be_repeated_but_not_replaced(tar_of: Pack, unpack: Any) -> None:
    folder = ({"name": "d/", "type": tarfile.DIRTYPE}, b"")
    assert unpack(tar_of(folder, ({"name": "d/f"}, b""), folder)).keys() == {"d", "d/f"}
    with pytest.raises(HostileArchiveError, match="appears twice"):
        unpack(tar_of(({"name": "d/f"}, b""), ({"name": "d"}, b"")))
    with pytest.raises(HostileArchiveError, match="first as a file"):
        unpack(tar_of(({"name": "d"}, b""), folder))


@pytest.mark.parametrize("answer", [True, False], ids=["wanted", "unwanted"])
def test_a_bomb_is_refused_while_it_grows(answer: Any, tar_of: Pack, unpack: Any) -> None:
    archive = tar_of(({"name": "zeros"}, bytes(8 << 20)))
    with pytest.raises(HostileArchiveError, match="100 times its size"):
        unpack(archive, wanted=lambda _: answer, limits=Limits(ratio=100, free=1 << 20))
    with pytest.raises(HostileArchiveError, match=r"more than 7\.0 MiB"):
        unpack(archive, wanted=lambda _: answer, limits=Limits(total=7 << 20))
    assert len(unpack(archive, limits=Limits(ratio=100))["zeros"][1]) == 8 << 20


def test_a_declared_size_is_refused_before_it_is_read(tmp_path: Path, unpack: Any) -> None:
    info = tarfile.TarInfo("huge")
    info.size = 17 << 30
    archive = tmp_path / "huge.tar"
    archive.write_bytes(info.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(HostileArchiveError, match=r"16\.0 GiB") as caught:
        unpack(archive)
    assert "'huge'" in (caught.value.where or "")


def test_a_hole_counts_as_if_it_were_data(tmp_path: Path, tool: Any, unpack: Any) -> None:
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 40)
    tool("tar", "--sparse", "-cf", "hole.tar", "hole", cwd=tmp_path)
    with pytest.raises(HostileArchiveError, match="unpacks to more"):
        unpack(tmp_path / "hole.tar")


def test_hard_links_count_as_if_they_were_copies(tar_of: Pack, unpack: Any) -> None:
    links = [({"name": f"l{i}", "type": tarfile.LNKTYPE, "linkname": "a"}, b"") for i in range(9)]
    with pytest.raises(HostileArchiveError, match="unpacks to more"):
        unpack(tar_of(({"name": "a"}, bytes(1 << 20)), *links), limits=Limits(total=9 << 20))


def test_members_and_implied_folders_are_counted(tar_of: Pack, unpack: Any) -> None:
    many = [({"name": f"f{i}"}, b"") for i in range(11)]
    with pytest.raises(HostileArchiveError, match="more than 10 members"):
        unpack(tar_of(*many), limits=Limits(members=10))
    with pytest.raises(HostileArchiveError, match="more than 10 members"):
        unpack(tar_of(({"name": "d/" * 10 + "f"}, b"")), limits=Limits(members=10))


def test_every_cut_is_noticed(tar_of: Pack, tmp_path: Path, unpack: Any) -> None:
    whole = gzip.decompress(tar_of((FILE, b"x" * 700), ({"name": "z"}, b"z")).read_bytes())
    cut = tmp_path / "cut.tar"
    for length in range(0, 4 * 512 + 1, 64):  # header, two blocks of data, header; no end
        cut.write_bytes(whole[:length])
        with pytest.raises(BrokenArchiveError, match="ends too early"):
            unpack(cut, wanted=lambda _: False)


def test_a_damaged_header_is_no_end(tar_of: Pack, tmp_path: Path, unpack: Any) -> None:
    data = bytearray(
        gzip.decompress(tar_of(({"name": "a"}, b""), ({"name": "b"}, b"")).read_bytes())
    )
    data[512] ^= 1
    (tmp_path / "b.tar").write_bytes(data)
    with pytest.raises(BrokenArchiveError, match="checksum"):
        unpack(tmp_path / "b.tar")


def test_nothing_may_hide_behind_the_end(tar_of: Pack, tmp_path: Path, unpack: Any) -> None:
    one = gzip.decompress(tar_of(({"name": "a"}, b"")).read_bytes())
    (tmp_path / "two.tar").write_bytes(one + one)
    with pytest.raises(BrokenArchiveError, match="behind its end"):
        unpack(tmp_path / "two.tar")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_checksums_at_the_end_are_compared(mode: str, tar_of: Pack, unpack: Any) -> None:
    archive = tar_of((FILE, os.urandom(200_000)), mode=mode)
    data = bytearray(archive.read_bytes())
    for damaged in (data[:-1], data[:-9], data + b"junk", data[:-6] + b"\xff" + data[-5:]):
        archive.write_bytes(damaged)
        with pytest.raises(BrokenArchiveError) as caught:
            unpack(archive, wanted=lambda _: False)
        assert str(archive) in (caught.value.where or "")


def test_a_web_page_is_no_archive(tmp_path: Path, unpack: Any) -> None:
    page = tmp_path / "docker.tgz"
    page.write_text("<!DOCTYPE html>" + "<p>not found</p>" * 100)
    with pytest.raises(BrokenArchiveError, match=r"docker\.tgz is damaged"):
        unpack(page)


def _block(name: str = "f", data: bytes = b"", **fields: Any) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)


def _pax(*records: str) -> bytes:
    lines = [f" {record}\n".encode() for record in records]  # each shorter than 98 bytes
    sized = [b"%d%b" % (len(line) + (1 if len(line) < 9 else 2), line) for line in lines]
    return _block(type=b"x", data=b"".join(sized))


def _altered(start: int, field: bytes, kind: bytes = b"0") -> bytes:
    block = bytearray(_block(type=kind))
    block[start : start + len(field)] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


SPARSE_1 = ("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.realsize=9")
MALFORMED = [
    ("too long", _block(type=b"x", size=1 << 30)),
    ("too long", _block(type=b"L", size=1 << 30)),
    ("recursion", _pax("comment=") * 1000),
    ("too long", _altered(482, b"\1", b"S") + (bytes(504) + b"\1" + bytes(7)) * 2049),
    ("too long", _pax(*SPARSE_1) + _block(data=b"999999\n" + b"1\n" * 999_999)),
    ("ends too early", _block(type=b"x", data=b"0 path=a\n")),
    ("ends too early", _pax("path=a") + bytes(1024)),
    ("overlap", _pax("GNU.sparse.size=9", "GNU.sparse.map=0,5,4,1")),
    ("overlap", _pax("GNU.sparse.size=9", "GNU.sparse.map=0,1")),
    ("unpack", _pax(*SPARSE_1)),
    ("unpack", _pax(*SPARSE_1) + _block(data=b"9" * 1024)),
    ("negative", _altered(124, b"\xff" * 12)),
    ("invalid", _altered(124, b"9" * 12)),
]


@pytest.mark.parametrize(("why", "head"), MALFORMED)
def test_malformed_headers(why: str, head: bytes, tmp_path: Path, unpack: Any) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(head + _block() + bytes(512))
    with pytest.raises(BrokenArchiveError, match=why):
        unpack(archive)


def test_extended_headers(tmp_path: Path, unpack: Any) -> None:
    archive = tmp_path / "a.tar"
    blocks = [
        _block(type=b"g", data=b"16 comment=here\n"),
        _pax("path=größe", "size=3") + _block("short")[:512] + b"abc".ljust(512, b"\0"),
        _block(type=b"L", data=b"long\0"),
        _block("short"),
        _altered(124, b"\x80" + bytes(10) + b"\1") + b"x".ljust(512, b"\0"),
        _block("old/", type=b"\0"),
    ]
    archive.write_bytes(b"".join(blocks) + bytes(1024))
    assert {path: data for path, (_, data) in unpack(archive).items()} == {
        "größe": b"abc",
        "long": b"",
        "f": b"x",
        "old": None,
    }
