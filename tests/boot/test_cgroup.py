from __future__ import annotations

import os
from pathlib import Path

import pytest

from bakery.boot import cgroup

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


def test_a_host_without_any_has_none() -> None:
    assert cgroup.parents("22 1 254:0 / / rw - ext4 /dev/vda rw\n", "0::/\n") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes control groups")
def test_groups_last_as_long_as_they_are_used() -> None:
    with cgroup.opened("bakery-test") as groups:
        if not groups:
            pytest.skip("no control groups are mounted here")
        for group in groups:
            (group / "payload" / "init.scope").mkdir(parents=True)
    assert not any(group.exists() for group in groups)
