from __future__ import annotations

import pytest

from bakery.scaffold.libraries import packages


@pytest.mark.parametrize(
    ("sonames", "expected"),
    [
        (["libgcc_s.so.1", "ld-linux-x86-64.so.2", "libm.so.6"], ("libc6", "libgcc-s1")),
        (["ld-linux-aarch64.so.1", "libc.so.6", "libstdc++.so.6"], ("libc6", "libstdc++6")),
        (["libX11.so.6", "libbz2.so.1.0"], ("libx11-6", "libbz2-1.0")),
        (["libdb-5.3.so"], ("libdb-5.3",)),
        (["libcrypto.so.3", "libssl.so.3", "libz.so.1"], ("libssl3t64", "zlib1g")),
        (["plugin.so"], ("plugin.so",)),
    ],
)
def test_libraries_are_in_packages_of_their_name(
    sonames: list[str], expected: tuple[str, ...]
) -> None:
    assert packages(sonames) == expected
