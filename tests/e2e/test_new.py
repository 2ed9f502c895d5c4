"""`bakery new`, from a project's name to a built and checked image."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from harness import debian, needs, packages
from harness.elf import program
from harness.project import TOOL
from harness.recipes import HOUR

if TYPE_CHECKING:
    from harness.mirror import Mirror
    from harness.project import Project

needs_apt = needs.programs("apt-get")


def run(project: Project, *words: str) -> str:
    done = project.run("bakery", "new", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_github_project_with_a_service(project: Project, mirror: Mirror) -> None:
    api = "https://api.github.com/repos/example/app/releases"
    assets = []
    for word, machine in (("amd64", "x86-64"), ("arm64", "arm64")):
        name = f"app_1.2.3_linux_{word}"
        url = f"https://github.com/example/app/releases/download/v1.2.3/{name}"
        mirror.place(url).write_bytes(program(machine))
        digest = f"sha256:{hashlib.sha256(program(machine)).hexdigest()}"
        assets.append({"name": name, "browser_download_url": url, "digest": digest})
    release = {"tag_name": "v1.2.3", "draft": False, "prerelease": False, "assets": assets}
    mirror.place(f"{api}/index.html").write_text(json.dumps([release]))
    mirror.place(f"{api}/tags/v1.2.3").write_text(json.dumps(release))
    mirror.place("https://api.github.com/repos/example/app/index.html").write_text(
        json.dumps({"description": "An app", "license": {"spdx_id": "MIT"}})
    )
    said = run(project, "app", "--github", "example/app", "--unit", "--no-boot")
    assert said.endswith("\nbakery try app\n")
    project.doit("build:app")
    built = {path.name for path in (project.dist / "app-v1.2.3").glob("*.raw")}
    assert built == {"app-v1.2.3-x86-64.raw", "app-v1.2.3-arm64.raw"}
    tree = project.dist / "stage" / "app-v1.2.3-x86-64" / "tree"
    assert (tree / "usr/bin/app").read_bytes() == program("x86-64")
    again = project.run("bakery", "new", "app", "--github", "example/app")
    assert (again.returncode, "there is a recipe app already" in again.stderr) == (1, True)


def test_a_project_of_the_real_package_index(project: Project) -> None:
    del project.environment["BAKERY_MIRROR"]
    said = run(project, "ruff", "--pypi", "ruff", "--no-boot")
    assert "# programs: ruff\n" in said
    project.doit("build:ruff")
    recipe = (project.recipes / "ruff" / "recipe.yaml").read_text()
    assert "platform: musllinux_" in recipe
    assert len(list(project.dist.glob("ruff-*/ruff-*.raw"))) == 2


@needs.programs("npm")
def test_a_package_of_the_real_npm_registry(project: Project) -> None:
    del project.environment["BAKERY_MIRROR"]
    said = run(project, "bundler", "--npm", "esbuild", "--version", "0.28.2", "--no-boot")
    assert "# x86-64: @esbuild/linux-x64\n# arm64: @esbuild/linux-arm64\n" in said
    recipe = (project.recipes / "bundler" / "recipe.yaml").read_text()
    assert 'npm: "@esbuild/linux-{arch}"\n' in recipe
    assert "license: MIT\n" in recipe
    project.doit("stage:bundler-0.28.2-*")
    assert len(list(project.dist.glob("stage/*/tree/usr/bin/esbuild"))) == 2
    refused = project.run(
        "bakery", "new", "typescript", "--npm", "typescript", "--version", "5.0.2"
    )
    assert "no package holds its programs for Linux" in refused.stderr


@needs_apt
def test_debian_packages_in_an_empty_folder(project: Project) -> None:
    packages.mirrors()
    (project.root / "dodo.py").unlink()
    project.environment |= {"BAKERY_STORE": str(debian.store())}
    del project.environment["BAKERY_MIRROR"]
    said = run(project, "redis", "--debian", "redis-server")
    assert "# written: dodo.py\n" in said
    assert "image-content" not in (project.recipes / "redis" / "recipe.yaml").read_text()
    linted = project.run("bakery", "lint", "redis", "--format", "gcc")
    assert linted.returncode == 1
    assert {line.rpartition("[")[2] for line in linted.stdout.splitlines()} == {
        "review]",
        "license]",
    }
    project.doit("check:redis-*-x86-64")
    install = "install: recipes/redis/recipe.yaml"
    assert install in project.run("bakery", "why", "redis", "usr/bin/redis-server").stdout
    if os.geteuid() == 0 and shutil.which("systemd-nspawn"):
        passed = project.run("bakery", "try", "redis", "--on", "nspawn:trixie")
        assert passed.returncode == 0, passed.stdout
        assert "# there, it answers: tcp/6379, redis-cli ping\n" in said
        assert "✓ command: redis-cli ping" in passed.stdout
        assert "✓ redis-server.service stays active for 1 s" in passed.stdout


@needs.ROOT
@needs.programs("systemd-nspawn", "debootstrap")
def test_what_does_not_hold_is_shown_with_its_log(project: Project) -> None:
    project.environment |= {"BAKERY_STORE": str(debian.store())}
    unit = "[Service]\nExecStart=/bin/sh -c 'echo the reason >&2; exit 3'\n"
    text = TOOL.partition("assets:")[0] + "start: [tool.service]\n"
    files = {"recipe.yaml": text, "files__usr__lib__systemd__system__tool.service": unit}
    project.add("tool", **files)
    tried = project.run("bakery", "try", "tool", "--on", "nspawn:trixie")
    assert tried.returncode == 1
    assert "✗ tool.service" in tried.stdout
    assert "the reason" in tried.stdout
    assert "Traceback" not in tried.stdout + tried.stderr


@pytest.mark.nightly
@needs.ROOT
@needs.programs("systemd-nspawn", "debootstrap", "apt-get")
@pytest.mark.parametrize("name", HOUR)
def test_a_recipe_that_boots_is_two_commands_away(project: Project, name: str) -> None:
    packages.mirrors()
    project.environment |= {
        "BAKERY_STORE": str(debian.store()),
        "BAKERY_MACHINES": "nspawn:bookworm nspawn:trixie",
    }
    del project.environment["BAKERY_MIRROR"]
    said = run(project, name, *HOUR[name])
    assert "in a boot of nspawn:trixie: " in said
    tried = project.run("bakery", "try", name, "--no-shell")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "✓ command: " in tried.stdout
    lines = tried.stdout.splitlines()
    assert re.fullmatch(r"tried in [\d.]+ s: build and check .*, boot .*, watch .*", lines[-2])
    assert re.fullmatch(rf"next: each machine.*: doit boot:{name}-.*-x86-64", lines[-1])
    booted = project.doit(f"boot:{name}")  # whole, on both machines
    assert booted.count("merged at boot: ") == 2
    problems = project.run("bakery", "lint", name, "--format", "gcc").stdout.splitlines()
    assert {line.rpartition("[")[2] for line in problems} <= {"review]", "license]", "check]"}
