from __future__ import annotations

import io
from typing import TYPE_CHECKING

from bakery.image.relocation.pool import LibraryPool

if TYPE_CHECKING:
    from pathlib import Path


def test_which_files_may_be_libraries() -> None:
    kept = ["lib/liba.so", "usr/lib/liba.so.1.2.3", "x/ld-linux-x86-64.so.2", "p/module.so"]
    assert [path for path in [*kept, "etc/a.sock", "usr/bin/so"] if LibraryPool.keeps(path)] == kept


def test_a_name_leads_through_links_to_a_file(tmp_path: Path) -> None:
    pool = LibraryPool(tmp_path)
    pool.add_link("usr/lib/x/liba.so.1", "liba.so.1.2", "a.deb")
    kept = pool.add_file("usr/lib/x/liba.so.1.2", io.BytesIO(b"a"), "a.deb")
    found = pool.find("liba.so.1")
    assert found is not None
    assert (found.file, found.origin, kept.read_bytes()) == (kept, "a.deb", b"a")


def test_private_folders_come_last_and_files_before_links(tmp_path: Path) -> None:
    pool = LibraryPool(tmp_path)
    pool.add_file("usr/lib/x/private/liba.so.1", io.BytesIO(b"private"), "a.deb")
    common = pool.add_file("usr/lib/x/liba.so.1", io.BytesIO(b"common"), "b.deb")
    pool.add_link("usr/lib64/liba.so.1", "../lib/x/liba.so.1", "b.deb")
    found = pool.find("liba.so.1")
    assert found is not None
    assert found.file == common


def test_links_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    pool = LibraryPool(tmp_path)
    pool.add_link("usr/lib/liba.so.1", "libb.so.1", "a.deb")
    pool.add_link("usr/lib/libb.so.1", "liba.so.1", "a.deb")
    assert pool.find("liba.so.1") is None
    assert pool.find("libc.so.6") is None
