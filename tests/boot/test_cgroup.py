from __future__ import annotations

from pathlib import Path

import pytest
from harness import needs

from bakery.boot import cgroup
from bakery.boot.errors import MachineError

HYBRID = """\
33 25 0:28 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw
34 25 0:29 / /sys/fs/cgroup/systemd rw,nosuid - cgroup cgroup rw,xattr,name=systemd
37 25 0:32 / /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids
"""
UNIFIED = "31 23 0:27 /docker/1 /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate\n"


def test_a_hybrid_host_has_two_groups() -> None:
    own = "9:name=systemd:/user:1\n8:pids:/\n0::/user\n"
    assert cgroup.parents(HYBRID, own) == [
        Path("/sys/fs/cgroup/unified/user"),
        Path("/sys/fs/cgroup/systemd/user:1"),
    ]


def test_what_is_mounted_may_begin_further_down() -> None:
    assert cgroup.parents(UNIFIED, "0::/docker/1/job\n") == [Path("/sys/fs/cgroup/job")]
    assert cgroup.parents(UNIFIED, "0::/docker/1\n") == [Path("/sys/fs/cgroup")]


def test_a_hierarchy_has_one_group_however_often_it_is_mounted() -> None:
    again = HYBRID.replace("/sys/", "/chroot/sys/")
    own = "9:name=systemd:/user:1\n8:pids:/\n0::/user\n"
    assert cgroup.parents(HYBRID + again, own) == cgroup.parents(HYBRID, own)
    assert cgroup.parents(again + HYBRID, own) == cgroup.parents(again, own)


def test_the_mount_that_shows_the_own_group_counts() -> None:
    closed = "30 23 0:27 / /a ro - cgroup2 cgroup rw\n"
    other = "32 23 0:27 /docker/2 /b rw - cgroup2 cgroup rw\n"
    blank = "33 23 0:27 /docker/1 /a\\040b rw - cgroup2 cgroup rw\n"
    assert cgroup.parents(closed + other + UNIFIED, "0::/docker/1/job\n") == [
        Path("/sys/fs/cgroup/job")
    ]
    assert cgroup.parents(closed + other + blank, "0::/docker/1\n") == [Path("/a b")]
    assert cgroup.parents(closed, "0::/docker/1\n") == [Path("/a/docker/1")]


def test_what_was_made_goes_when_making_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounts").write_text(
        f"1 1 0:1 / {tmp_path}/one rw - cgroup cgroup rw,name=systemd\n"
        f"2 1 0:2 / {tmp_path}/two rw - cgroup2 cgroup rw\n"
    )
    (tmp_path / "own").write_text("1:name=systemd:/\n0::/\n")
    (tmp_path / "one").mkdir()
    monkeypatch.setattr(cgroup, "_MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr(cgroup, "_OWN", tmp_path / "own")
    with pytest.raises(MachineError) as caught, cgroup.opened("boot"):
        pass
    assert caught.value.where == str(tmp_path / "two/boot")
    assert list((tmp_path / "one").iterdir()) == []


def test_a_host_without_any_has_none() -> None:
    assert cgroup.parents("22 1 254:0 / / rw - ext4 /dev/vda rw\n", "0::/\n") == []


@needs.ROOT
def test_groups_last_as_long_as_they_are_used() -> None:
    with cgroup.opened("bakery-test") as groups:
        if not groups:
            pytest.skip("no control groups are mounted here")
        for group in groups:
            (group / "payload" / "init.scope").mkdir(parents=True)
    assert not any(group.exists() for group in groups)
