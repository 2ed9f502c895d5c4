from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest

from bakery.image.errors import ImageError
from bakery.image.tree import TreeBuilder, folded, merged
from bakery.progress import Silent

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> TreeBuilder:
    return TreeBuilder(tmp_path)


def add(tree: TreeBuilder, path: str, data: bytes = b"data", *, executable: bool = False) -> None:
    tree.add_stream(
        path, io.BytesIO(data), executable=executable, origin="asset", progress=Silent()
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("sbin/ip", "usr/bin/ip"),
        ("usr/sbin/ip", "usr/bin/ip"),
        ("bin/sh", "usr/bin/sh"),
        ("lib/x/liba.so", "usr/lib/x/liba.so"),
        ("lib64/ld.so", "usr/lib64/ld.so"),
        ("usr/lib/a", "usr/lib/a"),
        ("library/a", "library/a"),
    ],
)
def test_paths_on_hosts_with_a_merged_usr(path: str, expected: str) -> None:
    assert merged(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("usr/sbin/x", "usr/bin/x"),
        ("usr/sbin", "usr/bin"),
        ("usr/lib/sbin/x", "usr/lib/sbin/x"),
        ("usr/sbinary", "usr/sbinary"),
    ],
)
def test_sbin_is_folded_into_bin_and_nothing_else_is(path: str, expected: str) -> None:
    assert folded(path) == expected


def test_files_links_and_their_folders_are_listed_with_modes_and_times(tree: TreeBuilder) -> None:
    add(tree, "usr/bin/tool", b"\x7fELF")
    add(tree, "usr/share/tool/readme", b"text")
    add(tree, "usr/lib/tool/helper", executable=True)
    tree.add_link("usr/bin/alias", "tool", origin="asset")
    entries = {entry.path: entry for entry in tree.finish(1000)}
    assert list(entries) == sorted(entries)
    assert {path for path, entry in entries.items() if entry.type == "directory"} == {
        "usr",
        "usr/bin",
        "usr/lib",
        "usr/lib/tool",
        "usr/share",
        "usr/share/tool",
    }
    assert entries["usr/bin/tool"].mode == 0o755
    assert entries["usr/lib/tool/helper"].mode == 0o755
    assert entries["usr/share/tool/readme"].mode == 0o644
    for path, entry in entries.items():
        found = (tree.root / path).lstat()
        assert found.st_mtime == 1000
        if entry.type != "link":
            assert found.st_mode & 0o7777 == entry.mode


def test_the_umask_has_no_say(tree: TreeBuilder) -> None:
    before = os.umask(0o077)
    try:
        add(tree, "usr/bin/tool")
        tree.finish(0)
    finally:
        os.umask(before)
    assert (tree.root / "usr").stat().st_mode & 0o777 == 0o755
    assert (tree.root / "usr/bin/tool").stat().st_mode & 0o777 == 0o755


def test_two_assets_can_not_be_one_path(tree: TreeBuilder) -> None:
    add(tree, "usr/bin/tool")
    with pytest.raises(ImageError, match="it comes from asset already"):
        add(tree, "usr/sbin/tool")


def test_nothing_is_written_through_a_link_or_below_a_file(
    tree: TreeBuilder, tmp_path: Path
) -> None:
    outside = tmp_path.parent / "outside"
    outside.mkdir(exist_ok=True)
    tree.add_link("usr/lib/tool", str(outside), origin="asset")
    with pytest.raises(ImageError, match="is a link"):
        add(tree, "usr/lib/tool/file")
    add(tree, "usr/lib/plain")
    with pytest.raises(ImageError, match="is a file"):
        add(tree, "usr/lib/plain/below")
    assert not list(outside.iterdir())


def test_small_files_replace_what_is_there(tree: TreeBuilder) -> None:
    add(tree, "usr/lib/x", b"old")
    tree.add_bytes("usr/lib/x", b"new", origin="files/")
    assert tree.read("usr/lib/x") == b"new"
    assert tree.entries["usr/lib/x"].origin == "files/"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("../sbin/tool", "../bin/tool"),
        ("/usr/sbin/tool", "/usr/bin/tool"),
        ("/var/lib/sbin/tool", "/var/lib/sbin/tool"),
        ("tool", "tool"),
    ],
)
def test_links_into_sbin_find_what_was_folded(
    tree: TreeBuilder, target: str, expected: str
) -> None:
    tree.add_link("usr/bin/alias", target, origin="asset")
    assert tree.entries["usr/bin/alias"].target == expected


def test_removed_files_take_their_empty_folders_along(tree: TreeBuilder) -> None:
    add(tree, "usr/share/doc/tool/copyright")
    add(tree, "usr/bin/tool")
    tree.remove("usr/share/doc/tool/copyright")
    assert [entry.path for entry in tree.finish(0)] == ["usr", "usr/bin", "usr/bin/tool"]
    assert not (tree.root / "usr/share").exists()


def test_modes_are_set_where_the_recipe_says_so(tree: TreeBuilder) -> None:
    add(tree, "usr/bin/tool")
    assert tree.change("usr/bin/tool", mode=0o4755)
    assert not tree.change("usr/bin/other", mode=0o4755)
    tree.finish(0)
    assert (tree.root / "usr/bin/tool").stat().st_mode & 0o7777 == 0o4755
