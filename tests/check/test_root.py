"""Images that bring a root of their own: what programs find in it counts, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from bakery.check.command import check_path
from bakery.check.subject import Context

ROOT = "usr/lib/demo/root"
LOADER = "/lib64/ld-linux-x86-64.so.2"


@pytest.fixture
def image(good: Any, elf: Any) -> Any:
    """Give a good image a root with a program, its library and a script."""
    libraries = f"{ROOT}/usr/lib/x86_64-linux-gnu"
    good.link(f"{ROOT}/bin", "usr/bin")
    good.link(f"{ROOT}/lib64", "usr/lib64")
    good.link(f"{ROOT}/usr/lib64/ld-linux-x86-64.so.2", f"../lib/x86_64-linux-gnu/{LOADER[7:]}")
    good.file(f"{libraries}/{LOADER[7:]}", elf(library=True, soname=LOADER[7:]), 0o755)
    good.file(f"{libraries}/libtool.so.1", elf(library=True, soname="libtool.so.1"))
    tool = elf(interpreter=LOADER, needed=("libtool.so.1",))
    good.file(f"{ROOT}/usr/bin/tool", tool, 0o755)
    good.link(f"{ROOT}/usr/bin/alias", "/usr/bin/tool")
    good.link(f"{ROOT}/usr/share/settings", "/etc/tool")
    good.file(f"{ROOT}/usr/bin/script", "#!/bin/tool\n", 0o755)
    good.file(f"{ROOT}/usr/lib/tool/module.py", "#!/usr/bin/python3\n", 0o755)
    return good


def findings(image: Any) -> list[tuple[str, str]]:
    report, *_ = check_path(image.root, Context())
    return [(finding.rule, finding.path) for finding in report.findings]


def test_a_root_that_lacks_nothing_passes(image: Any) -> None:
    assert findings(image) == []


def test_a_library_of_the_image_is_none_of_the_root(image: Any, elf: Any) -> None:
    image.remove(f"{ROOT}/usr/lib/x86_64-linux-gnu/libtool.so.1")
    image.file("usr/lib/demo/libtool.so.1", elf(library=True, soname="libtool.so.1"))
    assert findings(image) == [("elf-library", f"{ROOT}/usr/bin/tool")]


def test_a_root_without_a_loader(image: Any) -> None:
    image.remove(f"{ROOT}/usr/lib64/ld-linux-x86-64.so.2")
    assert findings(image) == [("elf-interpreter", f"{ROOT}/usr/bin/tool")]


@pytest.mark.parametrize("line", ["#!/bin/sh", "#!/usr/bin/env tool", "#!/usr/bin/env"])
def test_the_hosts_programs_are_not_in_it(image: Any, line: str) -> None:
    image.file(f"{ROOT}/usr/bin/script", f"{line}\n", 0o755)
    assert findings(image) == [("script-interpreter", f"{ROOT}/usr/bin/script")]


def test_a_link_leads_to_the_roots_own_files(image: Any) -> None:
    image.link(f"{ROOT}/usr/bin/shell", "/usr/bin/bash")
    image.link(f"{ROOT}/usr/bin/demo", "/usr/bin/demo")
    assert findings(image) == [
        ("broken-link", f"{ROOT}/usr/bin/demo"),
        ("broken-link", f"{ROOT}/usr/bin/shell"),
    ]
