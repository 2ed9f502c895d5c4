"""A bakery of one's own: this project installed from a wheel, an empty folder, and its workflow."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.act import Runner
from harness.debian import store
from harness.elf import program
from harness.mirror import Mirror
from harness.project import REPOSITORY

from bakery.cli import schemas

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def mirror(folder: Path) -> Iterator[Mirror]:
    (folder / "mirror").mkdir()
    with Mirror(folder / "mirror") as server:
        server.place("https://dl.example.com/app/1.2.3/app-amd64").write_bytes(program("x86-64"))
        yield server


def run(folder: Path, *command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment or None, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bakery(folder: Path) -> Path:
    """The program of a clean environment with a wheel of this project, as anybody installs it."""
    source, wheels = folder / "source", folder / "wheels"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(REPOSITORY / "bakery", source / "bakery", ignore=ignored)
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, source)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(source, *pip, "wheel", "--no-deps", "--no-build-isolation", f"-w{wheels}", ".")
    (wheel,) = wheels.iterdir()
    environment = folder / "environment"
    run(folder, sys.executable, "-m", "venv", "--without-pip", environment)
    run(folder, *pip, f"--python={environment}/bin/python", "install", wheel)
    return environment / "bin/bakery"


@pytest.fixture(scope="module")
def own(folder: Path, bakery: Path, mirror: Mirror) -> Path:
    """A folder with a recipe, as `bakery new` writes it, and people complete it."""
    root = folder / "own"
    root.mkdir()
    environment = {
        "PATH": f"{bakery.parent}:/usr/sbin:/usr/bin:/sbin:/bin",
        "BAKERY_MIRROR": mirror.url,
        "BAKERY_STORE": str(folder / "store"),
    }
    address = "https://dl.example.com/app/{version}/app-{arch}"
    options = ("--url", address, "--version", "1.2.3", "--no-boot")
    said = run(root, bakery, "new", "app", *options, **environment)
    assert said.endswith("bakery try app\n")
    for path in (root / "recipes/app").glob("*.*"):
        text = re.sub(r" *(#|<!--) REVIEW:.*", "", path.read_text())
        path.write_text(text.replace("LicenseRef-Unknown", "MIT"))
    (root / "recipes/app/check.yaml").write_text("commands: [{run: command -v app}]\n")
    run(root, bakery, "lint", **environment)
    return root


def test_editors_find_the_schema_without_a_network(own: Path) -> None:
    first = (own / "recipes/app/recipe.yaml").read_text().partition("\n")[0]
    told = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert told
    assert ":" not in told[1], "an address, which needs a network"
    assert (own / "recipes/app" / told[1]).read_text() == schemas.text("recipe")


def test_its_requirement_is_what_is_installed_here(own: Path) -> None:
    assert re.search(r"sysext-bakery @ file://.*\.whl", (own / "pyproject.toml").read_text())


@needs.ROOT
@needs.programs("strace", "systemd-nspawn", "git")
def test_its_workflow_builds_and_boots_it(own: Path, folder: Path, mirror: Mirror) -> None:
    run(own, "git", "init", "--quiet", "--initial-branch=main")
    run(own, "git", "add", ".")
    me = ("-c", "user.name=me", "-c", "user.email=me@example.com")
    run(own, "git", *me, "commit", "--quiet", "--message", "A bakery")
    runner = Runner(
        source=own,
        folder=folder,
        environment={
            "ACT_PIP": "real",
            "BAKERY_MACHINES": "nspawn:bookworm",
            "BAKERY_MIRROR": mirror.url,
            "BAKERY_STORE": str(store()),
        },
    )
    ran = runner.run("bake.yaml", "push")
    programs = [process.command for process in ran.processes()]
    booted = [c for c in programs if "systemd-nspawn" in c[0] and "--version" not in c]
    assert len(booted) == 1, "the image is for one of both runners"
    assert ran.output.count("all its boots are waived") == 1
