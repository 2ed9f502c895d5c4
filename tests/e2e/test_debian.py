"""What is said where Debian packages can not be had."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from harness import needs, packages

from bakery.recipe.debian import Packages
from bakery.upstream.debian import UpstreamError, closure

if TYPE_CHECKING:
    from harness.mirror import Mirror
    from harness.project import Project

    from bakery.upstream import apt

pytestmark = pytest.mark.e2e

needs_apt = needs.programs("apt-get")


@pytest.fixture(scope="module")
def mirrors() -> apt.Mirrors:
    return packages.mirrors()


@needs_apt
def test_what_apt_can_not_resolve_is_explained(mirrors: apt.Mirrors) -> None:
    wanted = Packages(suite="trixie", names=("no-such-package",), arch="arm64")
    with pytest.raises(UpstreamError, match="no-such-package"):
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
