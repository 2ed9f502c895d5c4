"""Paths in a root file system never lead out of it, however links are laid."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from bakery.provision.host_root import HostRoot

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "etc").mkdir(parents=True)
    (folder / "usr").mkdir()
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


def chain(root: Path, length: int, end: str) -> str:
    """Lay links one after the other, the last of which leads to `end`; return the first."""
    (root / "1").symlink_to(end)
    for number in range(2, length + 1):
        (root / f"{number}").symlink_to(f"{number - 1}")
    return f"/{length}"


def write(root: Path, path: str) -> None:
    with HostRoot(root).writing(path, 0o644) as file:
        file.write(b"text")


def test_forty_links_stay_inside(root: Path, outside: Path) -> None:
    write(root, f"{chain(root, 40, str(outside))}/file")
    assert (root / str(outside).lstrip("/") / "file").read_bytes() == b"text"
    assert not list(outside.iterdir())


def test_the_next_link_is_an_error(root: Path, outside: Path) -> None:
    first = chain(root, 41, str(outside))
    with pytest.raises(OSError, match="Too many levels") as caught:
        write(root, f"{first}/file")
    assert caught.value.errno == errno.ELOOP
    assert caught.value.filename == f"{root}{first}/file"
    assert not list(outside.iterdir())


@pytest.mark.parametrize("target", ["..", "../..", "/..", "../outside", "usr/../../outside"])
def test_parents_end_at_the_root(root: Path, outside: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    write(root, "/link/file")
    assert not (root.parent / "file").exists()
    assert not list(outside.iterdir())


def test_missing_folders_are_made_where_links_lead(root: Path) -> None:
    (root / "opt").symlink_to("/var/opt")
    write(root, "/opt/extensions/docker/installed")
    assert (root / "var/opt/extensions/docker/installed").is_file()


def test_a_file_in_the_way_is_an_error(root: Path) -> None:
    (root / "etc/extensions").write_text("")
    with pytest.raises(NotADirectoryError):
        write(root, "/etc/extensions/docker.raw")


def test_last_links_are_not_followed(root: Path, outside: Path) -> None:
    secret = outside / "secret"
    secret.write_text("secret")
    (root / "etc/link").symlink_to(secret)
    host = HostRoot(root)
    assert host.read("/etc/link") is None
    assert host.exists("/etc/link")
    write(root, "/etc/link")
    assert secret.read_text() == "secret"
    assert not (root / "etc/link").is_symlink()
    (root / "etc/folder").symlink_to(outside)
    host.unlink("/etc/folder")
    assert secret.exists()


def test_a_failed_write_leaves_nothing(root: Path) -> None:
    (root / "etc/file").write_text("before")
    with suppress(RuntimeError), HostRoot(root).writing("/etc/file", 0o644) as file:
        file.write(b"half")
        raise RuntimeError
    assert [(path.name, path.read_text()) for path in (root / "etc").iterdir()] == [
        ("file", "before")
    ]


def test_what_a_killed_run_left_is_no_way_out(root: Path, outside: Path) -> None:
    (root / "etc/.file.part").symlink_to(outside / "target")
    write(root, "/etc/file")
    assert not list(outside.iterdir())


def test_only_empty_folders_are_pruned(root: Path) -> None:
    host = HostRoot(root)
    write(root, "/etc/sysupdate.d/file")
    host.prune("/etc/sysupdate.d")
    assert host.names("/etc/sysupdate.d") == ["file"]
    host.unlink("/etc/sysupdate.d/file")
    host.prune("/etc/sysupdate.d")
    host.prune("/etc/sysupdate.d")
    assert not host.has_folder("/etc/sysupdate.d")
