"""What is said where Debian packages can not be had."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from harness import needs, packages
from harness.native import ARCH

from bakery.recipe.debian import Packages
from bakery.upstream.debian import closure
from bakery.upstream.errors import UpstreamError

if TYPE_CHECKING:
    from harness.mirror import Mirror
    from harness.project import Project

    from bakery.upstream import apt

needs_apt = needs.programs("apt-get")


@pytest.fixture(scope="module")
def mirrors() -> apt.Mirrors:
    return packages.mirrors()


@needs_apt
def test_what_apt_can_not_resolve_is_explained(mirrors: apt.Mirrors) -> None:
    wanted = Packages(suite="trixie", names=("no-such-package",), arch="arm64")
    with pytest.raises(UpstreamError, match="no-such-package"):
        closure(wanted, mirrors)


@needs_apt
def test_so_is_what_conflicts_by_apts_own_words(mirrors: apt.Mirrors) -> None:
    wanted = Packages(suite="trixie", names=("exim4-daemon-light", "postfix"), arch="amd64")
    with pytest.raises(UpstreamError) as caught:
        closure(wanted, mirrors)
    assert re.search(r"(postfix|exim4-daemon-light).*[Cc]onflicts", caught.value.why or "")


@needs_apt
@pytest.mark.parametrize(
    ("name", "also", "never"),
    [
        ("perl", "libperl5.40", "perl-base"),  # depends on a package of the host's by its version
        ("postgresql-17", "libjson-perl", "perl"),  # perlapi-5.40 is what perl-base provides
        ("debconf-utils", "debconf-utils", "debconf"),
    ],
)
def test_packages_of_hosts_are_what_others_depend_on(
    mirrors: apt.Mirrors, name: str, also: str, never: str
) -> None:
    found = {
        each.name
        for each in closure(Packages(suite="trixie", names=(name,), arch="amd64"), mirrors)
    }
    assert {name, also} <= found
    assert never not in found


PROGRAM = f"""\
summary: A program of the package index, with Debian's libraries
homepage: https://example.org/
license: Apache-2.0
upstream: {{pypi: clang-format}}
build: [20.1.7]
arch: {{{ARCH}: {platform.machine()}}}
assets:
  - pypi: clang-format
    platform: manylinux_2_17_{{arch}}
    install: {{clang_format/data/bin/clang-format: usr/bin/}}
  - debian: {{packages: [libstdc++6], suite: trixie}}
    version: latest
self-contained: true
trust: checksum
"""


@needs_apt
@needs.ROOT
@pytest.mark.usefixtures("mirrors")
def test_a_program_from_elsewhere_runs_with_debians_libraries(project: Project) -> None:
    del project.environment["BAKERY_MIRROR"]
    folder = project.add("app", **{"recipe.yaml": PROGRAM})
    done = project.run("bakery", "update", "app")
    assert done.returncode == 0, done.stderr
    lock = json.loads((folder / "lock.json").read_text())
    ((version, locked),) = lock["versions"].items()
    assert {each["trust"] for each in locked["assets"]} == {"registry", "apt"}
    project.doit(f"stage:app-{version}-*")
    tree = project.dist / f"stage/app-{version}-{ARCH}/tree"
    said = subprocess.run(
        ["chroot", tree, "/usr/bin/clang-format", "--version"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert version in said.stdout
    (folder / "recipe.yaml").write_text(PROGRAM.replace("    version: latest\n", ""))
    refused = project.run("bakery", "lock", "app", version)
    assert refused.returncode != 0
    assert "add `version: latest` below `debian:`" in refused.stderr


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
    task = f"fetch:*-{digest[:12]}"
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
