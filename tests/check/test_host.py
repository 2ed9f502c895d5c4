from __future__ import annotations

import pytest

from bakery.check import host
from bakery.check.tree import inside


@pytest.mark.parametrize(
    "path", ["/bin/sh", "/usr/bin/env", "/sbin/modprobe", "/usr/lib/systemd/systemd"]
)
def test_what_every_host_has(path: str) -> None:
    assert host.has_program(inside(path))


@pytest.mark.parametrize(
    "path", ["/usr/bin/modprobe", "/usr/sbin/sh", "/usr/bin/python3", "/opt/bin/sh"]
)
def test_what_not_every_host_has(path: str) -> None:
    assert not host.has_program(inside(path))
