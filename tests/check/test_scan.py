from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from harness.elf_headers import make_elf

from bakery.check.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

LONGER_THAN_A_CONFIGURATION = 256 * 1024 + 1
LARGE = 1024 * 1024 + 5


def test_every_path_is_a_node_in_the_order_of_code_points(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin-data").write_bytes(b"")
    (tmp_path / "usr/bin/b").write_bytes(b"")
    (tmp_path / "usr/bin/B").write_bytes(b"")
    assert list(scan(tmp_path).nodes) == [
        ".",
        "usr",
        "usr/bin",
        "usr/bin-data",
        "usr/bin/B",
        "usr/bin/b",
    ]


def test_what_mkfs_makes_is_no_part_of_the_tree(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "usr/lost+found").mkdir(parents=True)
    assert list(scan(tmp_path).nodes) == [".", "usr", "usr/lost+found"]


@pytest.mark.parametrize("size", [0, 7, LONGER_THAN_A_CONFIGURATION, LARGE])
def test_files_of_any_size_have_their_digest(size: int, tmp_path: Path) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "file").write_bytes(data[:size])
    node = scan(tmp_path).nodes["file"]
    assert (node.size, node.sha256) == (size, hashlib.sha256(data[:size]).hexdigest())


def test_links_are_nodes_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/out").symlink_to("./../outside//")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"")
    tree = scan(tmp_path / "tree")
    assert list(tree.nodes) == [".", "out"]
    assert (tree.nodes["out"].type, tree.nodes["out"].target) == ("link", "./../outside//")


def test_special_files_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert scan(tmp_path).nodes["pipe"].type == "fifo"


def test_configuration_has_its_text_and_other_files_have_none(tmp_path: Path) -> None:
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    (units / "a.service").write_bytes(b"[Service]\nNice=\xff\n")
    (units / "huge.service").write_bytes(b"#" * LONGER_THAN_A_CONFIGURATION)
    (tmp_path / "usr/readme").write_text("text")
    tree = scan(tmp_path)
    unit = tree.nodes["usr/lib/systemd/system/a.service"]
    assert unit.text == "[Service]\nNice=\N{REPLACEMENT CHARACTER}\n"
    assert tree.nodes["usr/lib/systemd/system/huge.service"].text is None
    assert tree.nodes["usr/readme"].text is None


def test_programs_are_known_by_their_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "script").write_bytes(b"#! /usr/bin/env  sh\nexit\n")
    (tmp_path / "binary").write_bytes(make_elf())
    (tmp_path / "cut").write_bytes(make_elf(soname="liba.so")[:-4])
    tree = scan(tmp_path)
    assert tree.nodes["script"].script == ("/usr/bin/env", "sh")
    binary = tree.nodes["binary"]
    assert binary.elf is not None
    assert (binary.elf.machine, binary.defect) == ("x86-64", None)
    assert tree.nodes["cut"].elf is None
    assert "4 bytes are missing" in str(tree.nodes["cut"].defect)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_can_t_be_read_is_a_node_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "secret").chmod(0)
    node = scan(tmp_path).nodes["secret"]
    assert (node.defect, node.sha256) == ("can't be read: Permission denied", None)
