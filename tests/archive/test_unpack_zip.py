"""Zip archives: what zip packs arrives whole; the hostile and the damaged are refused."""

from __future__ import annotations

import stat
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from bakery.archive.unpack import BrokenArchiveError, HostileArchiveError, Limits, members

if TYPE_CHECKING:
    from pathlib import Path


def _zip(path: Path, *entries: tuple[str, bytes, int], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data, mode in entries:
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.compress_type = method
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return path


def test_what_zip_packs(tmp_path: Path, tool: Any, unpack: Any) -> None:
    (tmp_path / "a" / "empty").mkdir(parents=True)
    (tmp_path / "a" / "run").write_bytes(b"run" * 9999)
    (tmp_path / "a" / "run").chmod(0o755)
    (tmp_path / "a" / "größe.txt").write_bytes(b"")
    (tmp_path / "a" / "link").symlink_to("run")
    tool("zip", "-ry", "a.zip", "a", cwd=tmp_path)
    found = unpack(tmp_path / "a.zip")
    assert {
        path: (m.type, m.executable, m.size, m.target, data) for path, (m, data) in found.items()
    } == {
        "a": ("directory", False, 0, None, None),
        "a/empty": ("directory", False, 0, None, None),
        "a/run": ("file", True, 29997, None, b"run" * 9999),
        "a/größe.txt": ("file", False, 0, None, b""),
        "a/link": ("link", False, 0, "run", None),
    }
    assert unpack(tmp_path / "a.zip", wanted="a/run".__eq__).keys() == {"a/run"}


def test_scripts_of_a_wheel_are_executable(tmp_path: Path, unpack: Any) -> None:
    names = ("uv-1.data/scripts/uv", "uv-1.data/data/uv", "uv/uv-1.data/scripts/no")
    wheel = _zip(tmp_path / "uv-1-py3-none-any.whl", *((name, b"", 0o644) for name in names))
    assert [m.executable for m, _ in unpack(wheel).values()] == [True, False, False]
    assert [m.executable for m, _ in unpack(wheel, "uv.zip").values()] == [False, False, False]


def test_modes_of_other_systems_mean_nothing(tmp_path: Path, unpack: Any) -> None:
    path = _zip(tmp_path / "dos.zip", ("a", b"", 0o755))
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\1\2") + 5] = 0  # made by MS-DOS
    path.write_bytes(data)
    assert not unpack(path)["a"][0].executable


LINK = stat.S_IFLNK | 0o777
HOSTILE = [
    ("absolute", ("/etc/passwd", b"", 0o644)),
    ("goes up", ("a/../../b", b"", 0o644)),
    ("control character", ("a\0b", b"", 0o644)),
    ("path is empty", ("", b"", 0o644)),
    ("appears twice", ("first/", b"", stat.S_IFDIR | 0o755)),
    ("lies below a path that is a file", ("first/second", b"", 0o644)),
    ("a device", ("null", b"", stat.S_IFCHR | 0o666)),
    ("a named pipe", ("pipe", b"", stat.S_IFIFO | 0o666)),
    ("absolute path", ("link", b"/etc", LINK)),
    ("outside", ("d/link", b"../../x", LINK)),
    ("target is empty", ("link", b"", LINK)),
    ("more than 4096 bytes", ("link", b"x" * 5000, LINK)),
]


@pytest.mark.parametrize(("why", "entry"), HOSTILE)
def test_hostile_members(
    why: str, entry: tuple[str, bytes, int], tmp_path: Path, unpack: Any
) -> None:
    archive = _zip(tmp_path / "a.zip", ("first", b"", 0o644), entry, ("last", b"", 0o644))
    with pytest.raises(HostileArchiveError, match=why) as caught:
        unpack(archive)
    assert repr(entry[0]) in (caught.value.where or "")
    assert unpack(archive, wanted=lambda path: path == "last").keys() == {"last"}
    with pytest.raises(HostileArchiveError, match="UTF-8"):
        unpack(_latin(tmp_path / "b.zip"))


def _latin(path: Path) -> Path:
    path.write_bytes(_zip(path, ("gr??e", b"", 0o644)).read_bytes().replace(b"??", b"\xf6\xdf"))
    return path


def test_unmarked_utf8_is_utf8(tmp_path: Path, unpack: Any) -> None:
    path = _zip(tmp_path / "a.zip", ("gr????e", b"", 0o644))
    path.write_bytes(path.read_bytes().replace(b"????", "öß".encode()))
    assert unpack(path).keys() == {"größe"}


def test_a_bomb_is_refused_unread(tmp_path: Path, unpack: Any) -> None:
    bomb = _zip(tmp_path / "bomb.zip", ("a", bytes(4 << 20), 0), ("b", bytes(4 << 20), 0))
    with pytest.raises(HostileArchiveError, match="100 times its size") as caught:
        next(members(bomb, "bomb.zip", lambda _: True, limits=Limits(ratio=100, free=5 << 20)))
    assert "'b'" in (caught.value.where or "")
    assert unpack(bomb, wanted=lambda _: False, limits=Limits(total=1)) == {}
    with pytest.raises(HostileArchiveError, match="more than 1 members"):
        unpack(bomb, limits=Limits(members=1))


def _redeclared(path: Path, size: int) -> Path:
    """Alters the size and checksum that both headers of the one member `a` declare."""
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<L", data, data.index(signature) + offset, size)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
@pytest.mark.parametrize(("size", "why"), [(4, "holds more than"), (6, "holds less than")])
def test_a_declared_size_must_be_true(
    method: int, size: int, why: str, tmp_path: Path, unpack: Any
) -> None:
    path = _redeclared(_zip(tmp_path / "a.zip", ("a", b"12345", 0), method=method), size)
    with pytest.raises(BrokenArchiveError, match=f"{why} the {size} bytes"):
        unpack(path)


def test_damage(tmp_path: Path, unpack: Any) -> None:
    path = _zip(tmp_path / "a.zip", ("a", b"12345", 0), method=zipfile.ZIP_STORED)
    whole = path.read_bytes()
    for damaged, why in (
        (whole.replace(b"12345", b"12346"), "checksum is wrong"),
        (whole[:-1], "not a zip file"),
        (b"", "not a zip file"),
        (whole.replace(b"PK\1\2", b"PK\1\1"), "central directory"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(BrokenArchiveError, match=why):
            unpack(path)


def test_a_folder_has_a_slash(tmp_path: Path, unpack: Any) -> None:
    for name, mode in (("a", stat.S_IFDIR), ("a/", LINK)):
        with pytest.raises(BrokenArchiveError, match="disagree"):
            unpack(_zip(tmp_path / "a.zip", (name, b"", mode)))


def test_every_member_counts(tmp_path: Path, unpack: Any) -> None:
    path = _zip(tmp_path / "a.zip", ("a", b"", 0), ("b", b"", 0))
    whole = path.read_bytes()
    for damaged, why in (
        (whole[:-12] + b"\3" + whole[-11:], "does not list its 3 members"),
        (whole + b"x", "behind its end"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(BrokenArchiveError, match=why):
            unpack(path)


def test_methods_other_than_deflate(tmp_path: Path, unpack: Any) -> None:
    path = _zip(tmp_path / "a.zip", ("a", b"12345", 0), method=zipfile.ZIP_BZIP2)
    with pytest.raises(BrokenArchiveError, match="method 12"):
        unpack(path)
    assert unpack(path, wanted=lambda _: False) == {}


def test_encryption(tmp_path: Path, tool: Any, unpack: Any) -> None:
    (tmp_path / "a").write_text("secret")
    tool("zip", "-P", "password", "a.zip", "a", cwd=tmp_path)
    with pytest.raises(BrokenArchiveError, match="encrypted"):
        unpack(tmp_path / "a.zip")


def test_setuid_is_told(tmp_path: Path, unpack: Any) -> None:
    modes = {"su": stat.S_IFREG | 0o4755, "no": stat.S_IFREG | 0o755}
    entries = [(name, b"program", mode) for name, mode in modes.items()]
    found = unpack(_zip(tmp_path / "a.zip", *entries))
    assert {path: member.privileges for path, (member, _) in found.items()} == {
        "su": "mode 4755",
        "no": None,
    }
