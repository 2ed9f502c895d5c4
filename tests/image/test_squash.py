"""What squashing promises before any tool runs, and the one kind of image that needs none."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from bakery.errors import MissingToolError
from bakery.image.errors import ImageError
from bakery.image.formats.job import Job
from bakery.image.manifest import Manifest, ManifestEntry
from bakery.image.squash import squash, writers

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.recipe.types import Format

EPOCH = 1_577_836_800
ENTRIES = (
    ManifestEntry(path="usr", type="directory", mode=0o755),
    ManifestEntry(path="usr/hello", type="file", mode=0o4755, size=5),
    ManifestEntry(path="usr/link", type="link", mode=0o777, target="hello"),
)


def manifest(*entries: ManifestEntry, image: str = "sample-1-x86-64", key: str = "k") -> Manifest:
    return Manifest(image=image, key=key, epoch=EPOCH, entries=entries)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    usr = tmp_path / "tree/usr"
    usr.mkdir(parents=True, mode=0o700)
    (usr / "hello").write_bytes(b"hello")
    (usr / "link").symlink_to("hello")
    return usr.parent


def run(tree: Path, what: Manifest, form: Format = "folder") -> Path:
    output = tree.parent / "out"
    squash(
        tree,
        output,
        manifest=what,
        format=form,
        profile="fast",
        processors=1,
        work=tree.parent,
    )
    return output


def test_a_folder_has_the_modes_and_times_of_the_manifest(tree: Path) -> None:
    output = run(tree, manifest(*ENTRIES))
    for path in (output, *(output / entry.path for entry in ENTRIES)):
        assert path.lstat().st_mtime_ns == EPOCH * 10**9
    assert [stat.S_IMODE((output / entry.path).lstat().st_mode) for entry in ENTRIES] == [
        0o755,
        0o4755,
        0o777,
    ]
    assert (output / "usr/hello").read_bytes() == b"hello"
    assert (output / "usr/link").readlink().name == "hello"


def test_an_edit_of_a_folder_leaves_the_tree_alone(tree: Path) -> None:
    (run(tree, manifest(*ENTRIES)) / "usr/hello").write_bytes(b"other")
    assert (tree / "usr/hello").read_bytes() == b"hello"


@pytest.mark.parametrize("left", ["file", "folder"])
def test_what_an_earlier_run_left_is_replaced(tree: Path, left: str) -> None:
    rest = tree.parent / "out"
    if left == "file":
        rest.write_text("half")
    else:
        (rest / "half").mkdir(parents=True)
    output = run(tree, manifest(*ENTRIES))
    assert sorted(path.name for path in output.iterdir()) == ["usr"]


def test_nothing_is_left_when_the_tree_has_changed(tree: Path) -> None:
    (tree / "usr/hello").unlink()
    with pytest.raises(ImageError):
        run(tree, manifest(*ENTRIES))
    assert sorted(path.name for path in tree.parent.iterdir()) == ["tree"]


def test_a_tree_that_is_not_there_is_an_error_without_a_traceback(tree: Path) -> None:
    tree.rename(tree.parent / "moved")
    with pytest.raises(ImageError) as caught:
        run(tree, manifest(*ENTRIES))
    assert caught.value.where == str(tree)


@pytest.mark.parametrize("name", ["new\nline", 'quo"te', "bell\a", "del\x7f"])
def test_a_path_that_could_smuggle_in_commands_is_refused(tree: Path, name: str) -> None:
    (tree / "usr" / name).touch()
    entries = (*ENTRIES, ManifestEntry(path=f"usr/{name}", type="file", mode=0o644))
    with pytest.raises(ImageError, match="double quote or a control character"):
        run(tree, manifest(*entries), "squashfs")


@pytest.mark.parametrize(
    ("form", "package"),
    [
        ("squashfs", "squashfs-tools"),
        ("erofs", "erofs-utils"),
        ("ext4", "e2fsprogs"),
        ("btrfs", "btrfs-progs"),
    ],
)
def test_a_missing_tool_names_its_package(
    tree: Path, form: Format, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_options: None)
    writers.cache_clear()
    for action in (lambda: writers(form, "default"), lambda: run(tree, manifest(*ENTRIES), form)):
        with pytest.raises(MissingToolError) as caught:
            action()
        assert f"apt install {package}" in (caught.value.fix or "")
    assert sorted(path.name for path in tree.parent.iterdir()) == ["tree"]


def test_the_identity_follows_image_and_key(tmp_path: Path) -> None:
    def identity(**changed: str) -> str:
        return Job(
            tree=tmp_path,
            output=tmp_path,
            manifest=manifest(**changed),
            profile="default",
            processors=1,
            work=tmp_path,
        ).uuid

    assert identity() == identity()
    assert len({identity(), identity(image="other-1-x86-64"), identity(key="l")}) == 3
