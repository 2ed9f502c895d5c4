"""The first recipes, built from real binaries, checked, and booted on systemd 252, 257 and 262."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.debian import SUITES, store
from harness.project import Project, digest

from bakery.boot.debian import SUITES as SYSTEMS

if TYPE_CHECKING:
    from pathlib import Path

    from harness.debian import Debian
    from harness.mirror import Mirror

pytestmark = [needs.ROOT, needs.programs("systemd-nspawn")]

SERVED = ["caddy", "nats-server", "uv"]
LIBRARY = "https://example.com/libdevmapper.deb"
# Debian's dockerd is dynamic; on a Debian host that is as good as Docker's own static one.
ON_DEBIAN = f"""
allow:
  - {{rule: dynamic-binary, path: usr/bin/*, reason: "Debian's programs on a Debian host"}}
assets:
  - url: https://download.docker.com/linux/static/stable/{{arch}}/docker-{{version}}.tgz
    install: {{docker/*: usr/bin/}}
  - url: {LIBRARY}
    install: {{"{{folder}}/x86_64-linux-gnu/libdevmapper.so.*": usr/lib/x86_64-linux-gnu/}}
"""


def newest(project: Project, name: str) -> str:
    lock = (project.recipes / name / "lock.json").read_text()
    *_, tag = re.findall(r'^    "([^"]+)": \{', lock, flags=re.MULTILINE)
    return str(tag)


def test_recipes_from_the_package_index_boot_and_work(tmp_path: Path) -> None:
    """caddy answers HTTP, nats-server passes a message, uv knows Pythons; all by check.yaml."""
    project = Project(tmp_path / "project")
    for name in SERVED:
        project.add(name)
    tasks = [f"boot:{name}-{newest(project, name)}-x86-64" for name in SERVED]
    project.environment["BAKERY_STORE"] = str(store())
    project.environment["BAKERY_MACHINES"] = " ".join(f"nspawn:{suite}" for suite in SYSTEMS)
    out = project.doit(*tasks)
    assert out.count("passed on nspawn, bookworm, systemd 252") == len(SERVED)
    assert out.count("passed on nspawn, trixie, systemd 257") == len(SERVED)
    assert out.count("passed on nspawn, forky, systemd 262") == len(SERVED)
    assert "MSG greetings" not in out
    again = project.doit(*tasks)
    assert "passed on" not in again
    assert again.count("passed earlier on nspawn:trixie, systemd 257") == len(SERVED)


@pytest.mark.parametrize("debian", SUITES, indirect=True)
def test_docker_boots_and_dockerd_answers(project: Project, mirror: Mirror, debian: Debian) -> None:
    folder = project.add("docker")
    recipe = (folder / "recipe.yaml").read_text()
    recipe = re.sub(r"^build: .*$", "build: [20.10.24]", recipe, flags=re.MULTILINE)
    recipe = re.sub(r"^arch: .*$", "arch: {x86-64: x86_64}", recipe, flags=re.MULTILINE)
    folders = {"bookworm": "lib", "trixie": "usr/lib"}
    assets = ON_DEBIAN.lstrip().replace("{folder}", folders[debian.suite])
    recipe = re.sub(r"^assets:\n(  .*\n)+", assets, recipe, flags=re.MULTILINE)
    (folder / "recipe.yaml").write_text(recipe)
    url = "https://download.docker.com/linux/static/stable/x86_64/docker-20.10.24.tgz"
    shutil.copy(debian.docker_tarball("x86-64"), mirror.place(url))
    shutil.copy(debian.package("x86-64", "libdevmapper1.02.1"), mirror.place(LIBRARY))
    project.lock(
        "docker",
        "20.10.24",
        {url: digest(mirror.place(url)), LIBRARY: digest(mirror.place(LIBRARY))},
    )
    project.environment["BAKERY_STORE"] = str(store())
    hosts = SYSTEMS[SYSTEMS.index(debian.suite) :]  # programs need its libraries or later
    project.environment["BAKERY_MACHINES"] = " ".join(f"nspawn:{suite}" for suite in hosts)
    out = project.doit("boot:docker-20.10.24-x86-64")
    for suite in hosts:
        assert f"passed on nspawn, {suite}, systemd" in out
    assert "docker version" in out
