"""The docker recipe, with Debian's programs in place of Docker's."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from harness.debian import DEBIAN_ARCH, Debian, docker_url
from harness.project import Project, digest

if TYPE_CHECKING:
    from pathlib import Path

    from harness.mirror import Mirror


def docker_project(root: Path, mirror: Mirror, debian: Debian) -> Project:
    """Return a project with docker 20.10.13 alone, and fill its mirror."""
    project = Project(root, {"BAKERY_MIRROR": mirror.url})
    folder = project.add("docker")
    recipe = (folder / "recipe.yaml").read_text()
    build = next(line for line in recipe.splitlines() if line.startswith("build:"))
    (folder / "recipe.yaml").write_text(
        recipe.replace(build, "build: [20.10.13]\nos: {id: debian, version: '12'}")
    )
    assets = {}
    for arch in DEBIAN_ARCH:
        url = docker_url("20.10.13", arch)
        path = mirror.place(url)
        if not path.exists():
            shutil.copy(debian.docker_tarball(arch), path)
        assets[url] = digest(path)
    project.lock("docker", "20.10.13", assets)
    return project
