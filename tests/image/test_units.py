from __future__ import annotations

import pytest

from bakery.image import units
from bakery.recipe.plan import StartedUnit


def test_every_target_upholds_its_units_in_one_drop_in() -> None:
    start = [
        StartedUnit("containerd.service", "multi-user.target"),
        StartedUnit("docker.socket", "sockets.target"),
        StartedUnit("docker.service", "multi-user.target"),
    ]
    assert dict(units.drop_ins("docker", start)) == {
        "usr/lib/systemd/system/multi-user.target.d/10-docker.conf": (
            "[Unit]\nUpholds=containerd.service docker.service\n"
        ),
        "usr/lib/systemd/system/sockets.target.d/10-docker.conf": (
            "[Unit]\nUpholds=docker.socket\n"
        ),
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("usr/lib/systemd/system/x.service", True),
        ("usr/lib/systemd/system/x.service.d/10-y.conf", True),
        ("usr/lib/systemd/system/README", False),
        ("usr/lib/systemd/user/x.service", False),
        ("usr/lib/sysusers.d/x.conf", False),
    ],
)
def test_only_units_and_drop_ins_of_the_system_manager_count(path: str, *, expected: bool) -> None:
    assert units.are_shipped([path]) is expected


def test_units_find_programs_where_they_were_moved_to() -> None:
    unit = b"ExecStart=/usr/sbin/haproxy -x /sbin/modprobe /usr/sbin/haproxy-other\n"
    assert units.with_folded_programs(unit, frozenset({"haproxy"})) == (
        b"ExecStart=/usr/bin/haproxy -x /sbin/modprobe /usr/sbin/haproxy-other\n"
    )
