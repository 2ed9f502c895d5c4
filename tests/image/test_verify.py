"""A tree that no longer is what was staged is noticed."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from bakery.image.errors import ImageError
from bakery.image.manifest import Manifest, ManifestEntry
from bakery.image.verify import verify_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONTENT = b"hello\n"
MANIFEST = Manifest(
    image="sample-1-x86-64",
    key="0" * 64,
    epoch=1_577_836_800,
    entries=(
        ManifestEntry(path="usr", type="directory", mode=0o755),
        ManifestEntry(path="usr/empty", type="directory", mode=0o755),
        ManifestEntry(
            path="usr/hello",
            type="file",
            mode=0o644,
            size=len(CONTENT),
            sha256=hashlib.sha256(CONTENT).hexdigest(),
        ),
        ManifestEntry(path="usr/link", type="link", mode=0o777, target="./hello"),
    ),
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "usr/empty").mkdir(parents=True)
    (root / "usr/hello").write_bytes(CONTENT)
    (root / "usr/link").symlink_to("./hello")
    return root


def test_a_tree_as_staged_passes(tree: Path) -> None:
    verify_tree(tree, MANIFEST)


def test_modes_and_times_do_not_matter(tree: Path) -> None:
    (tree / "usr/hello").chmod(0o600)
    os.utime(tree / "usr/hello", (1, 1))
    verify_tree(tree, MANIFEST)


def _retarget(usr: Path) -> None:
    (usr / "link").unlink()
    (usr / "link").symlink_to("hello")


def _link(usr: Path) -> None:
    (usr / "twin").hardlink_to(usr / "hello")
    (usr / "hello").rename(usr / "hello~")


def _replace_folder(usr: Path) -> None:
    (usr / "empty").rmdir()
    (usr / "empty").symlink_to("/tmp")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda usr: (usr / "hello").unlink(), "usr/hello is missing"),
        (lambda usr: (usr / "hello").write_bytes(b"hi\n"), "usr/hello has another type, size"),
        (lambda usr: (usr / "new").touch(), "usr/new is new"),
        (lambda usr: (usr / "empty/new").mkdir(), "usr/empty/new is new"),
        (lambda usr: os.mkfifo(usr / "pipe"), "usr/pipe is new"),
        (_retarget, "usr/link has another type, size or target"),
        (_replace_folder, "usr/empty has another type"),
        (_link, "usr/hello is missing, and 2 more paths differ"),
    ],
)
def test_a_change_is_named(tree: Path, change: Callable[[Path], object], why: str) -> None:
    change(tree / "usr")
    with pytest.raises(ImageError) as caught:
        verify_tree(tree, MANIFEST)
    assert why in (caught.value.why or "")


def test_a_hard_link_in_place_of_a_copy_is_a_change(tree: Path) -> None:
    twin = ManifestEntry(path="usr/twin", type="file", mode=0o644, size=len(CONTENT))
    manifest = Manifest(
        image=MANIFEST.image,
        key=MANIFEST.key,
        epoch=MANIFEST.epoch,
        entries=(*MANIFEST.entries, twin),
    )
    (tree / "usr/twin").write_bytes(CONTENT)
    verify_tree(tree, manifest)
    (tree / "usr/twin").unlink()
    (tree / "usr/twin").hardlink_to(tree / "usr/hello")
    with pytest.raises(ImageError, match="not what was staged"):
        verify_tree(tree, manifest)
