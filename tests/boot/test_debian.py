from __future__ import annotations

from bakery.boot.debian import Root


def test_a_root_that_differs_has_another_name() -> None:
    names = {
        Root(suite="trixie", arch="x86-64").name,
        Root(suite="trixie", arch="arm64").name,
        Root(suite="bookworm", arch="x86-64").name,
        Root(suite="trixie", arch="x86-64", packages=("systemd",)).name,
        Root(suite="trixie", arch="x86-64", files={"etc/x": "y"}).name,
    }
    assert len(names) == 5
    assert Root(suite="trixie", arch="x86-64").name.startswith("trixie-x86-64-")
