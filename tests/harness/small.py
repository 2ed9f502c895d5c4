"""A project whose images are done in a moment."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from harness import elf
from harness.project import Project, digest

if TYPE_CHECKING:
    from pathlib import Path

    from harness.mirror import Mirror

TOOL = """summary: {name}, a tool
homepage: https://example.com
license: MIT
build: ['1.0']
arch: {{x86-64: x86_64, arm64: aarch64}}
assets: [{{url: 'https://example.com/{name}-{{version}}-{{arch}}', install: {install}}}]
"""
PACKAGES = """summary: a tool of Debian's
homepage: https://example.com
license: MIT
build: ['1.0-1']
arch: {x86-64: amd64, arm64: arm64}
assets: [{debian: {packages: [tool], suite: trixie}, install: {usr/bin/*: usr/bin/}}]
"""
ARCHES = {"x86-64": ("x86_64", "amd64"), "arm64": ("aarch64", "arm64")}


def small_project(folder: Path, mirror: Mirror) -> Project:
    """Return a project of three recipes: two of single files, one of eight packages."""
    project = Project(folder, {"BAKERY_MIRROR": mirror.url, "BAKERY_JOBS": "2"})
    project.environment["BAKERY_DEBIAN_MIRROR"] = f"{mirror.url}/debian"
    for name in ("alpha", "beta"):
        project.add(name, **{"recipe.yaml": TOOL.format(name=name, install=f"usr/bin/{name}")})
        urls = {}
        for arch, (word, _) in ARCHES.items():
            url = f"https://example.com/{name}-1.0-{word}"
            mirror.place(url).write_bytes(elf.program(arch, name).ljust(2 << 20, b"\0"))
            urls[url] = digest(mirror.place(url))
        project.lock(name, "1.0", urls)
    project.add("packages", **{"recipe.yaml": PACKAGES})
    debs = {}
    for arch, (_, word) in ARCHES.items():
        for number in (3, 2, 1, 0):
            name = f"pool/main/t/tool/tool{number or ''}_1.0-1_{word}.deb"
            path = mirror.place(f"http://debian/{name}")
            _pack(path, f"tool{number or ''}", elf.program(arch, str(number)), word)
            debs[f"debian:trixie/{name}"] = digest(path)
    project.lock("packages", "1.0-1", debs)
    return project


def _pack(path: Path, name: str, program: bytes, arch: str) -> None:
    """Write a Debian package that has one program."""
    root = path.with_suffix("")
    for file, data in {
        f"usr/bin/{name}": program,
        "DEBIAN/control": (
            f"Package: {name}\nVersion: 1.0-1\nArchitecture: {arch}\nMaintainer: A <a@b.c>\n"
            "Description: a tool\n"
        ).encode(),
    }.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(data)
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "-b", root, path],
        check=True,
        capture_output=True,
    )
    shutil.rmtree(root)
