from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from harness import needs
from harness.project import REPOSITORY

from bakery import files
from bakery.files import exchange, remove, replace, write_whole


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"in-{name}").touch()
    replace(tmp_path / "new", tmp_path / "old")
    assert [str(p.relative_to(tmp_path)) for p in sorted(tmp_path.rglob("*"))] == [
        "old",
        "old/in-new",
    ]


class Synced:
    """What reaches the disk, in order, each with whether a final name was there by then."""

    def __init__(self, folder: Path, final: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, bool]] = []
        sync = os.fsync

        def spy(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(folder)
            self.seen.append((str(path), final.exists()))
            sync(descriptor)

        monkeypatch.setattr(os, "fsync", spy)


def test_bytes_are_on_disk_before_their_name_and_that_before_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = Synced(tmp_path, tmp_path / "name", monkeypatch)
    write_whole(tmp_path / "name", b"data")
    assert synced.seen == [(".name.partial", False), (".", True)]


@needs.programs("strace")
@pytest.mark.parametrize("function", ["move_tree", "replace"])
def test_all_that_a_folder_holds_is_on_disk_before_it_has_its_name(
    tmp_path: Path, function: str
) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/file").write_bytes(b"data")
    code = "import sys, pathlib; import bakery.files; "
    code += f"bakery.files.{function}(*map(pathlib.Path, sys.argv[1:]))"
    calls = "--trace=syncfs,fsync,rename"
    trace = ["strace", "--decode-fds=path", "--quiet=all", f"--output={tmp_path / 'trace'}", calls]
    new, final = tmp_path / "new", tmp_path / "final"
    subprocess.run([*trace, sys.executable, "-c", code, new, final], check=True)
    assert (final / "file").read_bytes() == b"data"
    lines = (tmp_path / "trace").read_text().splitlines()
    called = [re.findall(r"^\w+|/[^\">]*", line)[:2] for line in lines]
    assert called == [
        ["syncfs", str(new)],
        ["fsync", str(new)],
        ["rename", str(new)],
        ["fsync", str(tmp_path)],
    ]


def test_nothing_gets_its_name_before_its_bytes_are_safe() -> None:
    own = {"files.py", "provision/host_root.py", "publish/directory.py"}
    own |= {"release/signing.py"}  # what lies in memory alone
    root = REPOSITORY / "bakery"
    renaming = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"\.rename\(|os\.replace\(", path.read_text())
    }
    assert renaming == own


@pytest.mark.parametrize("at_once", [True, False])
def test_folders_change_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, at_once: bool
) -> None:
    if not at_once:
        monkeypatch.setattr(files, "_EXCHANGE", 1 << 30)  # no system knows this flag
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"in-{name}").touch()
    exchange(tmp_path / "one", tmp_path / "other")
    assert [str(p.relative_to(tmp_path)) for p in sorted(tmp_path.rglob("*"))] == [
        "one",
        "one/in-other",
        "other",
        "other/in-one",
    ]
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "one", tmp_path / "nothing")
    assert (tmp_path / "one").is_dir()


def test_a_file_that_can_t_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "name" / "in-the-way").mkdir(parents=True)
    with pytest.raises(OSError, match="name"):
        write_whole(tmp_path / "name", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


def test_a_link_to_a_folder_is_removed_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    for name in ("link", "link"):
        remove(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
