"""Real binaries from Debian packages, a mirror that serves them as upstreams do, a project."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from harness.debian import CACHE, DEBIAN_ARCH, Debian, docker_url
from harness.mirror import Mirror
from harness.project import Project, digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@pytest.fixture(scope="session")
def debian() -> Debian:
    """Debian packages; they stay in the user's cache between runs."""
    if not shutil.which("apt-get"):
        pytest.skip("needs apt-get, to get real binaries from Debian packages")
    return Debian(CACHE / "debian")


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """An empty mirror."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = Mirror(folder)
    yield server
    server.close()


@pytest.fixture
def project(tmp_path: Path, mirror: Mirror) -> Project:
    """A project whose upstream is the mirror."""
    return Project(tmp_path / "project", {"BAKERY_MIRROR": mirror.url})


@pytest.fixture(scope="session")
def docker_tarballs(debian: Debian) -> dict[str, Path]:
    """Return tar balls laid out as Docker's own, with Debian's programs, by architecture."""
    return {arch: debian.docker_tarball(arch) for arch in DEBIAN_ARCH}


@pytest.fixture
def docker_project(
    project: Project, mirror: Mirror, docker_tarballs: Mapping[str, Path]
) -> Project:
    """A project with the docker recipe at 20.10.13, its mirror filled with Debian's programs."""
    folder = project.add("docker")
    recipe = (folder / "recipe.yaml").read_text()
    build = next(line for line in recipe.splitlines() if line.startswith("build:"))
    (folder / "recipe.yaml").write_text(
        recipe.replace(build, "build: [20.10.13]\nos: {id: debian, version: '12'}")
    )
    assets = {}
    for arch, tarball in docker_tarballs.items():
        url = docker_url("20.10.13", arch)
        shutil.copy(tarball, mirror.place(url))
        assets[url] = digest(tarball)
    project.lock("docker", "20.10.13", assets)
    return project
