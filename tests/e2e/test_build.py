"""A build of real programs: what is made, made again, left alone and thrown away."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from harness import labels
from harness.project import TOOL, TOOL_URL, digest

if TYPE_CHECKING:
    from pathlib import Path

    from harness.debian import Debian
    from harness.mirror import Mirror
    from harness.project import Project

IMAGE = "dist/docker-20.10.13/docker-20.10.13-x86-64.raw"
MERGE = """
set -eu
mount --make-rshared /
mount -t tmpfs tmpfs /run
mkdir -p "$2/usr/lib" "$2/etc" "$2/opt" "$2/run" "$2/var/lib/extensions"
printf 'ID=debian\\nVERSION_ID=12\\n' >"$2/usr/lib/os-release"
ln -s ../usr/lib/os-release "$2/etc/os-release"
cp "$1" "$2/var/lib/extensions/docker.raw"
systemd-sysext --root="$2" merge
test -x "$2/usr/bin/dockerd"
systemd-sysext --root="$2" unmerge
"""


def images(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(project.dist.glob("*/*.raw"))}


def everything(folder: Path) -> list[str]:
    """Return all paths of a folder but the locks and records, which stay on purpose."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if not path.is_dir() and "/.bakery/lock/" not in str(path)
    )


def test_docker_is_built_and_a_debian_of_its_kind_merges_it(docker_project: Project) -> None:
    out = docker_project.doit("build:docker-20.10.13")
    assert "docker-20.10.13-x86-64" in out
    release = docker_project.dist / "docker-20.10.13"
    assert sorted(path.name for path in release.iterdir()) == [
        "SHA256SUMS",
        "docker-20.10.13-arm64.raw",
        "docker-20.10.13-x86-64.raw",
        "docker-20.10.13.cdx.json",
        "docker-20.10.13.spdx.json",
        "docker.component",
        "docker.conf",
        "docker.transfer",
        "notes.md",
        "release.json",
    ]
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=release, check=True)
    document = json.loads((release / "release.json").read_text())
    assert (document["name"], document["version"]) == ("docker", "20.10.13")
    assert [image["arch"] for image in document["images"]] == ["x86-64", "arm64"]

    image = docker_project.root / IMAGE
    named = docker_project.root / "docker.raw"
    named.symlink_to(image)
    dissected = subprocess.run(
        ["systemd-dissect", "--json=short", named], check=True, capture_output=True
    ).stdout
    assert json.loads(dissected)["useSystemExtension"]
    host = docker_project.root / "host"
    merged = subprocess.run(
        ["unshare", "-m", "--propagation", "slave", "sh", "-c", MERGE, "merge", image, host],
        check=False,
        capture_output=True,
        text=True,
    )
    assert merged.returncode == 0, merged.stderr


def test_a_second_build_does_nothing(docker_project: Project, mirror: Mirror) -> None:
    docker_project.doit("build:docker-20.10.13")
    before = len(mirror.requests)
    stamps = {path: path.stat().st_mtime_ns for path in docker_project.dist.rglob("*.raw")}
    out = docker_project.doit("build:docker-20.10.13")
    assert "built" not in out.replace("0 built", "")
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert len(mirror.requests) == before


def test_only_what_changed_is_built_again(docker_project: Project, mirror: Mirror) -> None:
    tool = docker_project.recipes / "tool"
    mirror.place(TOOL_URL).write_text("#!/bin/sh\necho tool\n")
    docker_project.add(
        "tool",
        **{"recipe.yaml": TOOL, "files/usr/share/tool/note": "one\n"},
    )
    docker_project.lock("tool", "1.0", {TOOL_URL: digest(mirror.place(TOOL_URL))})
    docker_project.doit()
    stamps = {path: path.stat().st_mtime_ns for path in docker_project.dist.rglob("*.raw")}
    note = tool / "files/usr/share/tool/note"

    note.touch()
    docker_project.doit()
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps

    note.write_text("two\n")
    docker_project.doit()
    changed = {path.name for path in stamps if path.stat().st_mtime_ns != stamps[path]}
    assert changed == {"tool-1.0-x86-64.raw"}

    stamps = {path: path.stat().st_mtime_ns for path in docker_project.dist.rglob("*.raw")}
    second = "https://example.com/tool-2.0"
    mirror.place(second).write_text("#!/bin/sh\necho tool 2\n")
    recipe = tool / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("['1.0']", "['1.0', '2.0']"))
    locked = docker_project.run("bakery", "lock", "tool", "2.0")
    assert locked.returncode == 0, locked.stderr
    docker_project.doit()
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert (docker_project.dist / "tool-2.0/tool-2.0-x86-64.raw").exists()


def test_an_image_that_somebody_touched_is_made_again(docker_project: Project) -> None:
    docker_project.doit("squash:docker-20.10.13-x86-64")
    before = images(docker_project)
    image = docker_project.root / IMAGE
    image.write_bytes(b"damaged")
    docker_project.doit("squash:docker-20.10.13-x86-64")
    assert images(docker_project) == before


def test_trees_and_assets_may_go_once_images_are_there(
    docker_project: Project, mirror: Mirror
) -> None:
    docker_project.doit("build:docker")
    shutil.rmtree(docker_project.store)
    shutil.rmtree(docker_project.dist / "stage")
    before = len(mirror.requests)
    docker_project.doit("build:docker")
    assert len(mirror.requests) == before


def test_clean_leaves_nothing_but_assets(docker_project: Project) -> None:
    docker_project.doit("build:docker")
    docker_project.doit("clean", "build:docker-20.10.13")
    left = everything(docker_project.dist)
    assert [path for path in left if not path.startswith(".bakery/fetch/")] == []
    assert list(docker_project.store.rglob("sha256/*/*"))


def test_offline_builds_from_the_store_alone(docker_project: Project, mirror: Mirror) -> None:
    docker_project.doit("fetch")
    before = len(mirror.requests)
    docker_project.doit("build:docker", BAKERY_OFFLINE="1")
    assert len(mirror.requests) == before


def test_offline_without_the_assets_says_what_to_do(docker_project: Project) -> None:
    done = docker_project.run("doit", "build:docker", BAKERY_OFFLINE="1")
    assert done.returncode != 0
    assert "offline" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["build:docker-29.0.0"], "bakery lock docker 29.0.0"),
        (["build:dokcer"], "did you mean build:docker"),
        (["squash:docker-20.10.13-x86"], "take squash:docker-20.10.13-x86-64"),
        (["build:nothing*"], "no task is called like build:nothing*"),
        (["clean", "build:doker"], "did you mean build:docker"),
    ],
)
def test_a_task_that_is_not_there_is_refused(
    docker_project: Project, words: list[str], says: str
) -> None:
    done = docker_project.run("doit", *words)
    assert done.returncode != 0
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_other_folders_need_nothing_but_settings(docker_project: Project, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    docker_project.recipes.rename(moved)
    (docker_project.root / "pyproject.toml").write_text(f'[tool.bakery]\nrecipes = "{moved}"\n')
    docker_project.doit("stage:docker-20.10.13-x86-64", BAKERY_DIST=str(tmp_path / "out"))
    assert (tmp_path / "out/stage/docker-20.10.13-x86-64/tree/usr/bin/dockerd").exists()


def test_the_menu_names_every_recipe(docker_project: Project) -> None:
    menu = docker_project.doit("list")
    assert "build:docker " in menu
    assert "Docker Engine" in menu
    assert len(menu.splitlines()) < 13


OLD = "#!/bin/sh\n[ $1 = -version ] || exec {real} \"$@\"\necho 'mksquashfs version 4.5.1 (x)'\n"


@pytest.mark.parametrize("debian", ["trixie"], indirect=True)
def test_that_images_have_no_labels_is_said_once_and_they_are_others(
    project: Project, mirror: Mirror, debian: Debian, tmp_path: Path
) -> None:
    mirror.place(TOOL_URL).write_bytes(b"#!/bin/sh\n")
    for name in ("tool", "gadget"):
        project.add(name, **{"recipe.yaml": TOOL})
        project.lock(name, "1.0", {TOOL_URL: digest(mirror.place(TOOL_URL))})
    tools = labels.squashfs_tools(tmp_path / "tools", debian)
    newer = {"PATH": f"{tools}:{project.environment['PATH']}"}
    old = tmp_path / "old"
    old.mkdir()
    (old / "mksquashfs").write_text(OLD.format(real=shutil.which("mksquashfs")))
    (old / "mksquashfs").chmod(0o755)
    older = {"PATH": f"{old}:{project.environment['PATH']}"}
    out = project.doit("build", **older)
    assert out.count("Without SELinux labels: mksquashfs version 4.5.1 can't write them;") == 1
    plain = images(project)
    assert "Without SELinux labels" not in project.doit("build", **older), "it is up to date"
    project.doit("build", **newer)
    assert all(images(project)[name] != plain[name] for name in plain)
    table = tmp_path / "file_contexts"
    table.write_text("/usr/bin/.* -- system_u:object_r:tool_exec_t:s0\n")
    labelled = images(project)
    project.doit("build", **newer, BAKERY_FILE_CONTEXTS=str(table))
    assert all(images(project)[name] != labelled[name] for name in labelled)
    project.doit("build", **newer)
    assert images(project) == labelled
    table.write_text("/usr/bin\n")
    done = project.run("doit", "build:tool", **newer, BAKERY_FILE_CONTEXTS=str(table))
    assert done.returncode != 0
    assert "a line of the file_contexts can't be read" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
