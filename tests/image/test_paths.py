from __future__ import annotations

import pytest

from bakery.image.paths import merged


@pytest.mark.parametrize(
    ("path", "place"),
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
def test_hosts_with_a_merged_usr(path: str, place: str) -> None:
    assert merged(path) == place
