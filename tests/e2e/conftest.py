"""Real binaries from Debian packages, a mirror that serves them as upstreams do, a project."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import docker
from harness.debian import Debian
from harness.mirror import Mirror
from harness.project import TOOL, TOOL_URL, Project, digest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def debian(request: pytest.FixtureRequest) -> Debian:
    """Packages of Debian 12, or of the suite that a test names; they stay in the user's cache."""
    if not shutil.which("apt-get"):
        pytest.skip("needs apt-get, to get real binaries from Debian packages")
    return Debian(getattr(request, "param", "bookworm"))


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """An empty mirror."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    with Mirror(folder) as server:
        yield server


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """Give root a folder on a file system of its own, with a longer name, that all may enter."""
    folder = Path(tempfile.mkdtemp(prefix="another place ", dir="/var/tmp"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


@pytest.fixture
def project(tmp_path: Path, mirror: Mirror) -> Project:
    """A project whose upstream is the mirror."""
    return Project(tmp_path / "project", {"BAKERY_MIRROR": mirror.url})


@pytest.fixture
def tool(project: Project, mirror: Mirror) -> Project:
    """That project, with one recipe, which is locked."""
    mirror.place(TOOL_URL).write_text("#!/bin/sh\necho tool\n")
    project.add("tool", **{"recipe.yaml": TOOL})
    project.lock("tool", "1.0", {TOOL_URL: digest(mirror.place(TOOL_URL))})
    return project


@pytest.fixture
def docker_project(tmp_path: Path, mirror: Mirror, debian: Debian) -> Project:
    """A project with the docker recipe at 20.10.13, its mirror filled with Debian's programs."""
    return docker.docker_project(tmp_path / "project", mirror, debian)
