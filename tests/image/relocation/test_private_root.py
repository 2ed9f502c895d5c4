"""Private roots: what they hold, and what runs in them; the running is proven end to end."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from bakery.image.errors import ImageError
from bakery.image.relocation.private_root import assemble
from bakery.image.tree import TreeBuilder
from bakery.recipe.plan import PrivateRoot

if TYPE_CHECKING:
    from pathlib import Path

ROOT = "usr/lib/app/root"
PRIVATE = PrivateRoot(folder=ROOT, enter=(("usr/bin/app", "/usr/sbin/it's"),), share=("etc", "var"))


@pytest.fixture
def tree(tmp_path: Path) -> TreeBuilder:
    tree = TreeBuilder(tmp_path / "tree")
    tree.root.mkdir()
    for path in ("usr/bin/it's", "usr/lib/libapp.so", "etc/app.conf"):
        tree.add_bytes(f"{ROOT}/{path}", b"", origin="a package")
    assemble(tree, "app", PRIVATE)
    return tree


def test_packages_find_the_folders_that_they_expect(tree: TreeBuilder) -> None:
    links = {entry.path: entry.target for entry in tree.entries.values() if entry.type == "link"}
    assert links == {
        f"{ROOT}/bin": "usr/bin",
        f"{ROOT}/sbin": "usr/bin",
        f"{ROOT}/usr/sbin": "bin",
        f"{ROOT}/lib": "usr/lib",
    }
    assert (tree.root / ROOT / "sbin/it's").is_file()


def test_there_is_a_place_for_every_folder_of_the_host(tree: TreeBuilder) -> None:
    entries = {entry.path: entry.type for entry in tree.finish(0)}
    assert entries[f"{ROOT}/var"] == entries[f"{ROOT}/etc"] == "directory"
    assert entries[f"{ROOT}/etc/app.conf"] == "file"


def test_a_program_is_entered_by_its_path_in_the_image(tree: TreeBuilder) -> None:
    assert (tree.read("usr/bin/app") or b"").decode() == (
        "#!/bin/sh\nexec /usr/lib/app/enter '/usr/sbin/it'\"'\"'s' \"$@\"\n"
    )
    assert tree.entries["usr/bin/app"].mode == tree.entries["usr/lib/app/enter"].mode == 0o755


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs shellcheck")
def test_shellcheck_has_nothing_to_say(tree: TreeBuilder) -> None:
    scripts = [tree.root / path for path in ("usr/lib/app/enter", "usr/bin/app")]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_program_that_no_package_has_is_named(tree: TreeBuilder) -> None:
    missing = PrivateRoot(folder=ROOT, enter=(("usr/bin/x", "/usr/bin/x"),), share=())
    other = TreeBuilder(tree.root.with_name("other"))
    other.root.mkdir()
    with pytest.raises(ImageError, match="the private root has no /usr/bin/x"):
        assemble(other, "app", missing)
