"""What no pattern asks for never rejects an archive; what one asks for is judged as ever."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bakery.archive.unpack import BrokenArchiveError, HostileArchiveError, Limits, members
from bakery.recipe import glob

if TYPE_CHECKING:
    from collections.abc import Callable

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zst": zstandard.compress,
}
WANTED = ({"name": "app/bin/tool", "mode": 0o755}, b"tool")
LINK = {"type": tarfile.SYMTYPE}
HARD = {"type": tarfile.LNKTYPE}
ODD: dict[str, list[tuple[dict[str, Any], bytes]]] = {
    "a licence packed twice": [({"name": "app/LICENSE"}, b"MIT"), ({"name": "app/LICENSE"}, b"")],
    "a file in place of a folder": [({"name": "app/bin"}, b"")],
    "a folder in place of a file": [({"name": "f"}, b""), ({"name": "f/g"}, b"")],
    "a unit with a backslash": [({"name": "lib/system-systemd\\x2dcryptsetup.slice"}, b"")],
    "Latin-1": [({"name": "doc/gr\udcf6\udcdfe"}, b"")],
    "a carriage return": [({"name": "Icon\r"}, b"")],
    "a terminal's escape": [({"name": "\x1b[2J"}, b"")],
    "a name of many letters": [({"name": "n" * 300}, b"")],
    "a path of many folders": [({"name": "n/" * 3000 + "n"}, b"")],
    "no name": [({"name": ""}, b"")],
    "absolute": [({"name": "/etc/passwd"}, b"root")],
    "up": [({"name": "../../etc/passwd"}, b"root")],
    "in place of the root": [({"name": "./."}, b"")],
    "devices": [
        ({"name": "dev/null", "type": tarfile.CHRTYPE}, b""),
        ({"name": "dev/sda", "type": tarfile.BLKTYPE}, b""),
        ({"name": "run/pipe", "type": tarfile.FIFOTYPE}, b""),
    ],
    "a volume's label": [({"name": "backup", "type": b"V"}, b"")],
    "a list of a folder": [({"name": "app/", "type": b"D"}, b"Ntool\0\0")],
    "an access control list": [({"name": "acl", "type": b"A"}, b"user::rwx")],
    "an old folder with data": [({"name": "old/", "type": b"\0"}, b"list")],
    "a setuid program": [({"name": "su", "mode": 0o4755}, b"")],
    "a link out": [({"name": "l", "linkname": "/etc/passwd", **LINK}, b"")],
    "a link above what is wanted": [({"name": "app", "linkname": "/opt", **LINK}, b"")],
    "a hard link to a link": [
        ({"name": "l", "linkname": "x", **LINK}, b""),
        ({"name": "h", "linkname": "l", **HARD}, b""),
    ],
    "a hard link to nothing": [({"name": "h", "linkname": "nothing", **HARD}, b"")],
}


def _tar(entries: list[tuple[dict[str, Any], bytes]], layout: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=layout) as archive:
        for fields, data in entries:
            info = tarfile.TarInfo()
            info.size = len(data)
            for name, value in fields.items():
                setattr(info, name, value)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
def test_what_is_not_wanted(odd: list[Any], layout: int, tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / "a.tar"
    for entries in ([*odd, WANTED], [WANTED, *odd], [odd[0], WANTED, *odd]):
        path.write_bytes(_tar(entries, layout))
        found = unpack(path, wanted="app/bin/tool".__eq__)
        assert {name: data for name, (_, data) in found.items()} == {"app/bin/tool": b"tool"}


@pytest.mark.parametrize("name", ["Latin-1", "a carriage return", "absolute", "up", "devices"])
def test_a_pattern_for_everything_wants_it(name: str, tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(_tar([WANTED, *ODD[name]], tarfile.GNU_FORMAT))
    with pytest.raises(HostileArchiveError):
        unpack(path, wanted=partial(glob.matches, "**"))


def test_equal_members_are_one(tmp_path: Path, unpack: Any) -> None:
    same = ({"name": "./app/bin/tool", "mode": 0o755}, b"tool")
    hard = ({"name": "h", "linkname": "app/bin/tool", **HARD}, b"")
    link = ({"name": "l", "linkname": "h", **LINK}, b"")
    path = tmp_path / "a.tar"
    path.write_bytes(_tar([WANTED, same, hard, link, same, link, hard], tarfile.GNU_FORMAT))
    found = unpack(path)
    assert {name: data for name, (_, data) in found.items()} == {
        "app/bin/tool": b"tool",
        "h": b"tool",
        "l": None,
    }


@pytest.mark.parametrize(
    "other",
    [
        ({"name": "app/bin/tool", "mode": 0o755}, b"evil"),
        ({"name": "app/bin/tool", "mode": 0o755}, b"longer"),
        ({"name": "app/bin/tool", "mode": 0o644}, b"tool"),
        ({"name": "app/bin/tool", "linkname": "x", **LINK}, b""),
    ],
    ids=["content", "size", "mode", "kind"],
)
def test_nobody_can_tell_which_one_is_meant(other: Any, tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(_tar([WANTED, other], tarfile.GNU_FORMAT))
    with pytest.raises(HostileArchiveError, match="appears twice") as caught:
        unpack(path)
    assert "app/bin/tool" in (caught.value.where or "")


def test_what_a_hard_link_shares_must_be_clear(tmp_path: Path, unpack: Any) -> None:
    hard = ({"name": "h", "linkname": "app/bin/tool", **HARD}, b"")
    path = tmp_path / "a.tar"
    path.write_bytes(_tar([WANTED, ({"name": "app/bin/tool"}, b"evil"), hard], tarfile.GNU_FORMAT))
    with pytest.raises(HostileArchiveError, match="appears twice"):
        unpack(path, wanted="h".__eq__)


def test_a_file_packed_twice_by_tar_is_one(tmp_path: Path, tool: Any, unpack: Any) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    tool("tar", "-cf", "a.tar", "a", "a", "b", "./b", cwd=tmp_path)
    assert {name: data for name, (_, data) in unpack(tmp_path / "a.tar").items()} == {
        "a": b"a",
        "b": b"a",
    }


def test_a_hard_link_to_a_link_is_that_link(tmp_path: Path, tool: Any, unpack: Any) -> None:
    (tmp_path / "l").symlink_to("x")
    os.link(tmp_path / "l", tmp_path / "h", follow_symlinks=False)
    tool("tar", "-cf", "a.tar", "l", "h", cwd=tmp_path)
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert archive.getmember("h").islnk()
    found = unpack(tmp_path / "a.tar", wanted="h".__eq__)
    assert found["h"][0].target == "x"


def test_a_backslash_is_a_letter(tmp_path: Path, tool: Any, unpack: Any) -> None:
    name = "system-systemd\\x2dcryptsetup.slice"
    (tmp_path / name).write_text("[Slice]\n")
    tool("tar", "-cf", "a.tar", name, cwd=tmp_path)
    tool("zip", "a.zip", name, cwd=tmp_path)
    for archive in ("a.tar", "a.zip"):
        assert unpack(tmp_path / archive).keys() == {name}


def test_incremental_archives(tmp_path: Path, tool: Any, unpack: Any) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "tool").write_bytes(b"tool")
    options = ("--format=gnu", "--label=backup", "--listed-incremental=snapshot")
    tool("tar", *options, "-cf", "a.tar", "app", cwd=tmp_path)
    found = unpack(tmp_path / "a.tar")
    assert {name: data for name, (_, data) in found.items()} == {"app": None, "app/tool": b"tool"}


@pytest.mark.parametrize("suffix", ["gz", "xz", "zst", "bz2"])
def test_what_is_compressed_tells_its_own_end(suffix: str, tmp_path: Path, unpack: Any) -> None:
    whole = _tar([WANTED], tarfile.GNU_FORMAT)
    path = tmp_path / f"a.tar.{suffix}"
    path.write_bytes(COMPRESS[suffix](whole[:1024]))
    assert unpack(path)["app/bin/tool"][1] == b"tool"
    for length in (700, 1000, 1100):
        path.write_bytes(COMPRESS[suffix](whole[:length]))
        with pytest.raises(BrokenArchiveError, match="ends too early"):
            unpack(path)
    path.write_bytes(COMPRESS[suffix](whole[:1024])[:-3])
    with pytest.raises(BrokenArchiveError):
        unpack(path)


def test_what_writers_leave_behind_the_end(tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(_tar([WANTED], tarfile.GNU_FORMAT)[:2048] + b"left in the buffer" * 99)
    assert unpack(path).keys() == {"app/bin/tool"}


def test_what_is_not_wanted_has_any_size(tmp_path: Path, tool: Any, unpack: Any) -> None:
    with (tmp_path / "disk").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "a").write_bytes(b"a")
    tool("tar", "--sparse", "-cf", "a.tar", "disk", "a", cwd=tmp_path)
    assert unpack(tmp_path / "a.tar", wanted="a".__eq__)["a"][1] == b"a"
    few = Limits(members=2)
    tar = tmp_path / "many.tar"
    tar.write_bytes(_tar([({"name": f"f{i}"}, b"") for i in range(9)], tarfile.GNU_FORMAT))
    assert unpack(tar, wanted="f5".__eq__, limits=few).keys() == {"f5"}


ODD_ZIP: dict[str, tuple[str, int]] = {
    "backslash": ("a\\b", 0o644),
    "absolute": ("/etc/passwd", 0o644),
    "up": ("../x", 0o644),
    "control": ("Icon\r", 0o644),
    "a device": ("null", stat.S_IFCHR | 0o666),
    "a socket": ("socket", stat.S_IFSOCK | 0o666),
    "a folder without its slash": ("folder", stat.S_IFDIR | 0o755),
    "a link out": ("link", stat.S_IFLNK | 0o777),
    "a licence twice": ("LICENSE", 0o644),
    "no name": ("", 0o644),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("odd", ODD_ZIP.values(), ids=ODD_ZIP)
def test_what_is_not_wanted_of_a_zip(odd: tuple[str, int], tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(_zip([("LICENSE", b"MIT", 0o644), (odd[0], b"/etc", odd[1]), ZIPPED]))
    found = unpack(path, wanted="bin/tool".__eq__)
    assert {name: data for name, (_, data) in found.items()} == {"bin/tool": b"tool"}


def test_cp437_and_passwords_of_a_zip(tmp_path: Path, tool: Any, unpack: Any) -> None:
    path = tmp_path / "a.zip"
    data = _zip([("gr??e", b"", 0o644), ZIPPED])
    path.write_bytes(data.replace(b"gr??e", b"gr\x94\xe1e"))
    assert unpack(path, wanted="bin/tool".__eq__).keys() == {"bin/tool"}
    with pytest.raises(HostileArchiveError, match="UTF-8"):
        unpack(path)
    (tmp_path / "secret").write_text("secret")
    tool("zip", "-P", "password", "a.zip", "secret", cwd=tmp_path)
    assert unpack(path, wanted="bin/tool".__eq__)["bin/tool"][1] == b"tool"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_equal_members_of_a_zip_are_one(tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(_zip([ZIPPED, ("./bin/tool", b"tool", 0o755)]))
    assert unpack(path)["bin/tool"][1] == b"tool"
    path.write_bytes(_zip([ZIPPED, ("bin/tool", b"evil", 0o755)]))
    with pytest.raises(HostileArchiveError, match="appears twice"):
        unpack(path)


ZIPPED = ("bin/tool", b"tool", 0o755)


def _zip(entries: list[tuple[str, bytes, int]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in entries:
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return file.getvalue()


def test_frames_that_are_skipped(tmp_path: Path, unpack: Any) -> None:
    path = tmp_path / "a.zst"
    for first in range(0x50, 0x60):
        skipped = bytes([first]) + bytes.fromhex("2a4d18 04000000 0000002a")
        path.write_bytes(skipped + zstandard.compress(b"a"))
        assert unpack(path)["a"][1] == b"a"


NAMES = st.text(st.sampled_from("ab\\é \u0301"), min_size=1, max_size=4).filter(str.strip)
FILES = st.dictionaries(NAMES, st.binary(max_size=2000), min_size=1, max_size=4)
STEPS = st.sampled_from(["..", ".", "", "a", "b", "etc", "c\\d", "e\nf", "\udcff", "C:", "n" * 300])
ELSEWHERE = st.lists(STEPS, min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from([b"0", b"\0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"V", b"D", b"Z"])
UNWANTED = st.lists(st.tuples(ELSEWHERE, KINDS, ELSEWHERE, st.binary(max_size=600)), max_size=8)


@given(
    files=FILES,
    unwanted=UNWANTED,
    layout=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    data=st.data(),
)
def test_the_wanted_arrive_whatever_is_beside_them(
    files: dict[str, bytes], unwanted: Any, layout: int, data: st.DataObject
) -> None:
    entries: list[tuple[dict[str, Any], bytes]] = [
        ({"name": f"w/{name}"}, content) for name, content in files.items()
    ]
    for name, kind, target, content in unwanted:
        has_data = kind in {b"0", b"\0", b"7", b"V", b"D", b"Z"}
        fields = {"name": name, "type": kind, "linkname": target}
        entry = fields, content if has_data else b""
        entries.insert(data.draw(st.integers(0, len(entries))), entry)
    assert _wanted(_tar(entries, layout), "a.tar") == files


@pytest.mark.filterwarnings("ignore:Duplicate name")
@given(
    files=FILES,
    unwanted=st.lists(
        st.tuples(
            st.text(max_size=9) | ELSEWHERE.filter(lambda name: "\udcff" not in name),
            st.binary(max_size=99),
            st.integers(0, 0xFFFF),
        ),
        max_size=8,
    ),
    data=st.data(),
)
def test_the_wanted_of_a_zip_arrive_too(
    files: dict[str, bytes], unwanted: Any, data: st.DataObject
) -> None:
    entries = [(f"w/{name}", content, 0o644) for name, content in files.items()]
    for entry in unwanted:
        entries.insert(data.draw(st.integers(0, len(entries))), entry)
    assert _wanted(_zip(entries), "a.zip") == files


def _wanted(archive: bytes, name: str) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "archive")
        path.write_bytes(archive)
        return {
            member.path.removeprefix("w/"): stream.read() if stream else b""
            for member, stream in members(path, name, lambda path: path.startswith("w/"))
        }
