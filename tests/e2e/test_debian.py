"""Recipes of Debian packages, with the mirror as it is today, on systems of both releases."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness.debian import CACHE
from harness.project import Project

from bakery.errors import BakeryError
from bakery.recipe import debian as words
from bakery.recipe.debian import Packages
from bakery.upstream import apt
from bakery.upstream.debian import DebianError, closure

if TYPE_CHECKING:
    from harness.debian import Debian
    from harness.mirror import Mirror

pytestmark = pytest.mark.e2e

EMULATOR = "qemu-aarch64-static"

needs_apt = pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get")
needs_nspawn = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("systemd-nspawn") or not shutil.which("debootstrap"),
    reason="needs root, systemd-nspawn and debootstrap",
)


@pytest.fixture(scope="module")
def mirrors() -> apt.Mirrors:
    try:
        return apt.mirrors()
    except BakeryError as error:
        pytest.skip(str(error))


@dataclass(frozen=True)
class Built:
    """A recipe at what the mirror has today, built, checked and booted.

    Attributes:
        name: the recipe.
        program: the program to run, with what it is to be asked.
        locked: what `bakery lock` wrote.
        newest: the version of the recipe's package, as Debian writes it.
        said: what doit wrote.
        stage: the folder of every staged image, without its architecture.

    """

    name: str
    program: tuple[str, ...]
    locked: str
    newest: str
    said: str
    stage: str

    def tree(self, arch: str) -> Path:
        """Return the image's tree for an architecture."""
        return Path(f"{self.stage}-{arch}", "tree")

    def root(self, arch: str, folder: Path) -> Path:
        """Return a root that has the image's usr and not a file more."""
        root = folder / "root"
        shutil.copytree(self.tree(arch), root, symlinks=True)
        return root

    def traced(self, root: Path, *runner: str) -> str:
        """Run the program in a root by a static one there; return what its loader looked for."""
        done = subprocess.run(
            ["chroot", root, *runner, *self.program],
            env={"PATH": os.defpath + ":/usr/sbin:/sbin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "version" in done.stdout
        return done.stderr

    def is_confined(self, trace: str) -> bool:
        """Return whether nothing but the image's libraries was looked for and loaded."""
        looked = re.findall(r"trying file=(\S+)", trace)
        loaded = re.findall(r"calling init: (/\S+)", trace)
        ours = f"/usr/lib/{self.name}/lib/"
        return bool(looked and loaded) and all(p.startswith(ours) for p in looked + loaded)


@pytest.fixture(
    scope="module",
    params=[("haproxy", ("/usr/bin/haproxy", "-vv")), ("chrony", ("/usr/bin/chronyd", "-v"))],
    ids=["haproxy", "chrony"],
)
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, mirrors: apt.Mirrors
) -> Built:
    """Build a recipe once for all tests that look at it."""
    name, program = request.param
    wanted = Packages(suite="trixie", names=(name,), arch="amd64")
    newest = next(each for each in closure(wanted, mirrors) if each.name == name).version
    tag = words.tag(newest)
    project = Project(tmp_path_factory.mktemp(name) / "project")
    folder = project.add(name)
    recipe = (folder / "recipe.yaml").read_text()
    build = next(line for line in recipe.splitlines() if line.startswith("build:"))
    (folder / "recipe.yaml").write_text(recipe.replace(build, f"build: [{tag}]"))
    (folder / "lock.json").unlink()
    locked = project.run("bakery", "lock", name, tag)
    assert locked.returncode == 0, locked.stderr
    (project.store / "machines").symlink_to(CACHE / "roots")
    said = project.doit(f"check:{name}-{tag}-*", f"boot:{name}-{tag}-x86-64")
    stage = str(project.dist / "stage" / f"{name}-{tag}")
    return Built(name, program, locked.stdout, newest, said, stage)


@needs_apt
@needs_nspawn
def test_a_service_brings_all_it_needs_and_does_its_work(built: Built) -> None:
    version = built.newest.rpartition(":")[2]
    assert f"_{version}_amd64.deb" in built.locked
    assert f"_{version}_arm64.deb" in built.locked
    assert "passed on nspawn, bookworm" in built.said
    assert "passed on nspawn, trixie" in built.said
    libraries = built.tree("arm64") / "usr/lib" / built.name / "lib"
    assert (libraries / "ld-linux-aarch64.so.1").is_file()


@needs_apt
@needs_nspawn
@pytest.mark.skipif(platform.machine() != "x86_64", reason="runs programs for x86-64")
def test_programs_run_where_the_host_has_no_library(
    built: Built, debian: Debian, tmp_path: Path
) -> None:
    root = built.root("x86-64", tmp_path)
    busybox = next(debian.unpacked("x86-64", "busybox-static").rglob("bin/busybox"))
    shutil.copy(busybox, root / "busybox")
    assert built.is_confined(built.traced(root, "/busybox", "env", "LD_DEBUG=libs"))


@needs_apt
@needs_nspawn
@pytest.mark.skipif(not shutil.which(EMULATOR), reason=f"needs {EMULATOR} (qemu-user-static)")
def test_programs_run_on_the_other_architecture(built: Built, tmp_path: Path) -> None:
    root = built.root("arm64", tmp_path)
    shutil.copy(shutil.which(EMULATOR) or "", root / "emulator")
    assert built.is_confined(built.traced(root, "/emulator", "-E", "LD_DEBUG=libs"))


@needs_apt
def test_what_apt_can_not_resolve_is_explained(mirrors: apt.Mirrors) -> None:
    wanted = Packages(suite="trixie", names=("no-such-package",), arch="arm64")
    with pytest.raises(DebianError, match="no-such-package"):
        closure(wanted, mirrors)


RECIPE = """\
summary: A package
homepage: https://example.org/
license: MIT
build: ["1.0-1"]
arch: {x86-64: amd64}
assets:
  - debian: {packages: [tool], suite: trixie}
    install: {usr/bin/tool: usr/bin/}
"""
PATH = "pool/main/t/tool/tool_1.0-1_amd64.deb"


def test_a_mirror_that_moved_on_and_a_snapshot_that_did_not(
    project: Project, mirror: Mirror
) -> None:
    project.add("tool", **{"recipe.yaml": RECIPE})
    package = b"!<arch>\n"
    digest = hashlib.sha256(package).hexdigest()
    project.lock("tool", "1.0-1", {f"debian:trixie/{PATH}": digest})
    task = f"fetch:{digest[:12]}-*"
    gone = project.run("doit", task, BAKERY_DEBIAN_MIRROR=f"{mirror.url}/debian")
    assert gone.returncode != 0
    assert "the mirror has probably moved on" in gone.stdout
    assert "bakery lock" in gone.stdout
    assert "Traceback" not in gone.stdout + gone.stderr
    place = mirror.folder / "debian/20250801T000000Z" / PATH
    place.parent.mkdir(parents=True)
    place.write_bytes(package)
    snapshot = f"{mirror.url}/{{archive}}/20250801T000000Z"
    project.doit(task, BAKERY_DEBIAN_SNAPSHOT=snapshot)
    assert f"/debian/20250801T000000Z/{PATH}" in mirror.requests
