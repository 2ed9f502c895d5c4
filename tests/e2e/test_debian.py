"""Recipes of Debian packages, with the mirror as it is today, on systems of both releases."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from harness.debian import CACHE

from bakery.errors import BakeryError
from bakery.recipe import debian as words
from bakery.recipe.debian import Packages
from bakery.upstream import apt, debian

if TYPE_CHECKING:
    from harness.mirror import Mirror
    from harness.project import Project

pytestmark = pytest.mark.e2e

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


@needs_apt
@needs_nspawn
@pytest.mark.parametrize(("name", "suite"), [("haproxy", "trixie"), ("chrony", "trixie")])
def test_a_service_brings_all_it_needs_and_does_its_work(
    project: Project, mirrors: apt.Mirrors, name: str, suite: str
) -> None:
    wanted = Packages(suite=suite, names=(name,), arch="amd64")
    newest = next(each for each in debian.closure(wanted, mirrors) if each.name == name)
    tag = words.tag(newest.version)
    folder = project.add(name)
    recipe = (folder / "recipe.yaml").read_text()
    build = next(line for line in recipe.splitlines() if line.startswith("build:"))
    (folder / "recipe.yaml").write_text(recipe.replace(build, f"build: [{tag}]"))
    (folder / "lock.json").unlink()
    locked = project.run("bakery", "lock", name, tag)
    assert locked.returncode == 0, locked.stderr
    assert f"_{newest.version.rpartition(':')[2]}_amd64.deb" in locked.stdout
    assert f"_{newest.version.rpartition(':')[2]}_arm64.deb" in locked.stdout
    (project.store / "machines").symlink_to(CACHE / "roots")
    said = project.doit(f"check:{name}-{tag}-*", f"boot:{name}-{tag}-x86-64")
    assert "passed on nspawn, bookworm" in said
    assert "passed on nspawn, trixie" in said
    libraries = project.dist / "stage" / f"{name}-{tag}-arm64/tree/usr/lib" / name / "lib"
    assert (libraries / "ld-linux-aarch64.so.1").is_file()


@needs_apt
def test_what_apt_can_not_resolve_is_explained(mirrors: apt.Mirrors) -> None:
    wanted = Packages(suite="trixie", names=("no-such-package",), arch="arm64")
    with pytest.raises(debian.DebianError, match="no-such-package"):
        debian.closure(wanted, mirrors)


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
