from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from bakery.recipe import local
from bakery.recipe.local import Local, RecipeFolderError

if TYPE_CHECKING:
    from pathlib import Path


def test_files_and_links_below_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "usr/bin"
    folder.mkdir(parents=True)
    (folder / "app").write_bytes(b"#!/bin/sh\n")
    (folder / "app").chmod(0o755)
    (folder / "link").symlink_to("app")
    (folder / "dangling").symlink_to("/nowhere")
    (tmp_path / "usr/folder").symlink_to("bin")
    (tmp_path / "usr/plain").write_bytes(b"")
    (tmp_path / "usr/plain").chmod(0o600)
    found = [local.read(path, place) for path, place in local.find([tmp_path]).items()]
    assert found == [
        Local(
            path="usr/bin/app", sha256=hashlib.sha256(b"#!/bin/sh\n").hexdigest(), executable=True
        ),
        Local(path="usr/bin/dangling", target="/nowhere"),
        Local(path="usr/bin/link", target="app"),
        Local(path="usr/folder", target="bin"),
        Local(path="usr/plain", sha256=hashlib.sha256(b"").hexdigest()),
    ]


def test_later_folders_go_first(tmp_path: Path) -> None:
    for name in ("base", "variant"):
        (tmp_path / name / "usr").mkdir(parents=True)
        (tmp_path / name / "usr/both").touch()
        (tmp_path / name / "usr" / name).touch()
    places = local.find([tmp_path / "base", tmp_path / "none", tmp_path / "variant"])
    assert places == {
        "usr/base": tmp_path / "base/usr/base",
        "usr/both": tmp_path / "variant/usr/both",
        "usr/variant": tmp_path / "variant/usr/variant",
    }


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    os.mkfifo(tmp_path / "usr/pipe")
    with pytest.raises(RecipeFolderError, match="neither a file nor a link"):
        local.find([tmp_path])


@pytest.mark.parametrize("name", [b"caf\xe9", b"a\nb", b"a\x1bb"])
def test_a_name_nobody_can_read_is_refused(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr" / os.fsdecode(name)).touch()
    with pytest.raises(RecipeFolderError, match="printable UTF-8") as caught:
        local.find([tmp_path])
    caught.value.render().encode()


@pytest.mark.parametrize("target", ["a\nb", "\x1b[31m", "\u202e"])
def test_a_links_target_nobody_can_read_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(RecipeFolderError, match="target of a link") as caught:
        local.read("usr/link", tmp_path / "link")
    assert caught.value.render().replace("\n", "").isprintable()


@pytest.mark.parametrize("target", ["../../etc/passwd", "../x/../../y", "../.."])
def test_a_link_that_leads_out_of_the_image_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(RecipeFolderError, match="out of the image"):
        local.read("usr/link", tmp_path / "link")


@pytest.mark.parametrize("name", ["recipe.yaml", "lock.json", "check.yaml", "key.asc", "files"])
@pytest.mark.parametrize("target", ["/etc/passwd", "../other/file", "/", "../../../../etc"])
def test_links_out_of_a_recipes_folder_are_refused(tmp_path: Path, name: str, target: str) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / name).symlink_to(target)
    with pytest.raises(RecipeFolderError, match="out of the recipe's folder"):
        local.refuse_links_out(tmp_path / "app")


def test_a_recipes_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "app").symlink_to("elsewhere")
    with pytest.raises(RecipeFolderError, match="out of the recipe's folder"):
        local.refuse_links_out(tmp_path / "app")


def test_links_inside_a_recipes_folder_are_fine(tmp_path: Path) -> None:
    (tmp_path / "real/app").mkdir(parents=True)
    (tmp_path / "recipes").symlink_to("real")
    (tmp_path / "real/app/key.asc").symlink_to("./keys.asc")
    local.refuse_links_out(tmp_path / "recipes/app")


def test_files_may_not_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "files").touch()
    with pytest.raises(RecipeFolderError, match="Not a directory"):
        local.find([tmp_path / "files"])


def test_a_file_that_vanishes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeFolderError, match="No such file"):
        local.read("usr/a", tmp_path / "a")
