from __future__ import annotations

import io
import random

from bakery.image.relocation.pool import LibraryPool


def test_which_files_may_be_libraries() -> None:
    kept = ["lib/liba.so", "usr/lib/liba.so.1.2.3", "x/ld-linux-x86-64.so.2", "p/module.so"]
    assert [path for path in [*kept, "etc/a.sock", "usr/bin/so"] if LibraryPool.keeps(path)] == kept


def test_each_has_its_own_bytes_while_others_are_added() -> None:
    pool = LibraryPool(io.BytesIO())
    contents = [random.Random(size).randbytes(size) for size in (0, 7, 3 << 20, 1 << 20)]
    kept = [pool.add_file(f"lib/{len(each)}.so", io.BytesIO(each), "a.deb") for each in contents]
    for library, content in zip(kept, contents, strict=True):
        with pool.open(library) as copy:
            begin = copy.read(5)
            pool.add_file("lib/other.so", io.BytesIO(b"other"), "b.deb")
            assert begin + copy.read() == content


def test_a_name_leads_through_links_to_a_file() -> None:
    pool = LibraryPool(io.BytesIO())
    pool.add_link("usr/lib/x/liba.so.1", "liba.so.1.2", "a.deb")
    kept = pool.add_file("usr/lib/x/liba.so.1.2", io.BytesIO(b"a"), "a.deb")
    assert pool.find("liba.so.1") == kept


def test_private_folders_come_last_and_files_before_links() -> None:
    pool = LibraryPool(io.BytesIO())
    pool.add_file("usr/lib/x/private/liba.so.1", io.BytesIO(b"private"), "a.deb")
    common = pool.add_file("usr/lib/x/liba.so.1", io.BytesIO(b"common"), "b.deb")
    pool.add_link("usr/lib64/liba.so.1", "../lib/x/liba.so.1", "b.deb")
    assert pool.find("liba.so.1") == common


def test_links_in_a_circle_lead_nowhere() -> None:
    pool = LibraryPool(io.BytesIO())
    pool.add_link("usr/lib/liba.so.1", "libb.so.1", "a.deb")
    pool.add_link("usr/lib/libb.so.1", "liba.so.1", "a.deb")
    assert pool.find("liba.so.1") is None
    assert pool.find("libc.so.6") is None
