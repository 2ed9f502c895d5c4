"""What holds for every archive: benign ones arrive whole, hostile and damaged ones never do."""

from __future__ import annotations

import io
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bakery.archive.unpack import members
from bakery.errors import BakeryError

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="/\\"),
    min_size=1,
    max_size=60,
).filter(lambda name: name not in (".", ".."))
CONTENTS = st.binary(max_size=3000) | st.integers(1, 200_000).map(bytes)
TREES = st.recursive(
    CONTENTS, lambda inside: st.dictionaries(NAMES, inside, max_size=4), max_leaves=8
).filter(lambda tree: isinstance(tree, dict))
TARS = st.sampled_from(["tar", "tar.gz", "tar.xz", "tar.bz2", "tar.zst"])
FORMATS = st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def _paths(tree: dict[str, Any], folder: str = "") -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for name, inside in tree.items():
        path = folder + name
        found[path] = inside if isinstance(inside, bytes) else None
        if isinstance(inside, dict):
            found |= _paths(inside, path + "/")
    return found


def _tar(entries: list[tarfile.TarInfo], contents: list[bytes], suffix: str, layout: int) -> bytes:
    compression = {"gz": "gz", "xz": "xz", "bz2": "bz2"}.get(suffix.removeprefix("tar."), "")
    mode: Any = f"w:{compression}"
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=layout) as archive:
        for info, content in zip(entries, contents, strict=True):
            archive.addfile(info, io.BytesIO(content))
    data = file.getvalue()
    if suffix != "tar.zst":
        return data
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def _packed_tar(tree: dict[str, Any], suffix: str, layout: int) -> bytes:
    entries = []
    for path, content in _paths(tree).items():
        info = tarfile.TarInfo(path)
        info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
        info.size = len(content or b"")
        entries.append(info)
    return _tar(entries, [content or b"" for content in _paths(tree).values()], suffix, layout)


def _packed_zip(tree: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in _paths(tree).items():
            archive.writestr(path + "/" * (content is None), content or b"")
    return file.getvalue()


def _unpacked(data: bytes, name: str) -> dict[str, bytes | None]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "archive")
        path.write_bytes(data)
        return {
            member.path: stream.read() if stream else None
            for member, stream in members(path, name, lambda _: True)
        }


@given(tree=TREES, suffix=TARS, layout=FORMATS)
def test_a_tar_archive_arrives_whole(tree: dict[str, Any], suffix: str, layout: int) -> None:
    assert _unpacked(_packed_tar(tree, suffix, layout), f"a.{suffix}") == _paths(tree)


@given(tree=TREES)
def test_a_zip_archive_arrives_whole(tree: dict[str, Any]) -> None:
    assert _unpacked(_packed_zip(tree), "a.zip") == _paths(tree)


STEPS = st.sampled_from(["..", ".", "", "a", "b", "etc", "c\\d", "e\nf", "\udcff", "C:"])
PATHS = st.lists(STEPS, min_size=1, max_size=5).map("/".join)
KINDS = st.sampled_from([b"0", b"\0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"V"])
ENTRIES = st.lists(st.tuples(PATHS, KINDS, PATHS), max_size=5)
LINKS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2).map("/".join),
        st.sampled_from([b"2", b"2", b"5"]),
        st.lists(st.sampled_from(["..", "a", "b", "", "etc"]), min_size=1, max_size=3).map(
            "/".join
        ),
    ),
    max_size=5,
)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder at the end of a path of folders, each of which has what a link could aim at."""
    place = tmp_path_factory.mktemp("outside")
    for _ in range(6):
        for name in ("a", "b", "etc", "C:"):
            (place / name).mkdir()
        place /= "a"
    return place


@settings(max_examples=250)
@given(entries=ENTRIES | LINKS, layout=FORMATS)
@example(entries=[("a/b", b"2", ".."), ("a/a", b"2", "b/..")], layout=tarfile.GNU_FORMAT)
def test_nothing_leaves_the_folder_it_is_unpacked_to(
    outside: Path, entries: list[tuple[str, bytes, str]], layout: int
) -> None:
    infos = []
    for name, kind, target in entries:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        infos.append(info)
    with TemporaryDirectory(dir=outside) as folder:
        archive, root = Path(folder, "a.tar"), Path(folder, "root")
        archive.write_bytes(_tar(infos, [b""] * len(infos), "tar", layout))
        root.mkdir()
        with suppress(BakeryError):
            _write(archive, root)
        for place in root.rglob("*"):
            with suppress(OSError, RuntimeError):  # it leads nowhere, or in a circle
                assert place.resolve(strict=True).is_relative_to(root)


def _write(archive: Path, root: Path) -> None:
    for member, stream in members(archive, "a.tar", lambda _: True):
        path = PurePosixPath(member.path)
        assert not path.is_absolute()
        assert ".." not in path.parts
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if member.type == "directory":
            place.mkdir(exist_ok=True)
        elif member.target is not None:
            place.symlink_to(member.target)
        elif stream is not None:
            place.write_bytes(stream.read())


TREE = {"docker": {"dockerd": bytes(range(99)) * 3, "docker": b"docker", "empty": b"", "d": {}}}
WHOLE = {
    suffix: _packed_tar(TREE, suffix, tarfile.GNU_FORMAT)
    for suffix in ("tar.gz", "tar.xz", "tar.bz2", "tar.zst")
} | {"zip": _packed_zip(TREE)}


@given(suffix=st.sampled_from(sorted(WHOLE)), data=st.data())
def test_damage_is_noticed_or_does_no_harm(suffix: str, data: st.DataObject) -> None:
    damaged = bytearray(WHOLE[suffix])
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.just(len(damaged)) | st.integers(0, len(damaged))) :]
    _assert_right_or_refused(bytes(damaged), f"a.{suffix}")


def test_single_bits_count() -> None:
    for suffix, whole in WHOLE.items():
        for place in range(0, len(whole), 1 if suffix == "zip" else 4):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << place % 8
            _assert_right_or_refused(bytes(damaged), f"a.{suffix}")


def _assert_right_or_refused(data: bytes, name: str) -> None:
    try:
        found = _unpacked(data, name)
    except BakeryError:
        return
    assert found == _paths(TREE)


@given(suffix=st.sampled_from(["tar", "tgz", "zip", "whl", "deb", "gz", "zst"]), junk=st.binary())
def test_junk_raises_nothing_else(suffix: str, junk: bytes) -> None:
    magic = {"tgz": b"\x1f\x8b\x08", "deb": b"!<arch>\n", "zip": b"PK\5\6", "zst": b"(\xb5/\xfd"}
    for start in (b"", magic.get(suffix, b"")):
        with suppress(BakeryError):
            _unpacked(start + junk, f"a.{suffix}")
