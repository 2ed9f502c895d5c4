"""Images converted from Torcx, booted as extensions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from harness import needs, torcx
from harness.debian import SUITES, store

from bakery import settings as settings_module
from bakery.torcx import build

if TYPE_CHECKING:
    from pathlib import Path

    from harness.debian import Debian

ANSWERS = """\
files:
  - path: /run/docker.sock
    mode: "0660"
commands:
  - run: [stat, --format=%G, /run/docker.sock]
    stdout: {equals: docker}
  - run: [docker, version, --format, "{{.Server.Os}}"]
    stdout: {equals: linux}
  # A test's container may have the older control groups, and read-only.
  - run: >-
      test ! -d /sys/fs/cgroup/cpuset || { mount -o remount,rw /sys/fs/cgroup &&
      for each in /sys/fs/cgroup/*/; do mount -o remount,bind,rw $each; done; true; }
  - run: tar --create --directory=/usr/bin tini | docker import - probe && docker images
    stdout: {matches: "^probe +latest "}
  - run: [docker, run, --rm, --network=none, probe, /tini, --version]
    stdout: {contains: tini version}
  - run: [sh, -c, "tr '\\\\0' ' ' </proc/$(pidof containerd)/cmdline"]
    stdout: {contains: --config /usr/share/containerd/config.toml}
"""
pytestmark = [
    needs.ROOT,
    needs.programs("systemd-nspawn"),
    needs.X86_64,
]


def boot(image: Path, *options: str, start: str = "docker.service") -> None:
    """Boot an image, in which a unit must start."""
    done = subprocess.run(
        [sys.executable, "-m", "bakery", "boot", image, "--start", start, *options],
        env={**os.environ, "BAKERY_STORE": str(store())},
        cwd=image.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_converted_torcx_image_boots(tmp_path: Path) -> None:
    image = torcx.squash(tmp_path / "docker:20.10.13.torcx.squashfs", torcx.contents())
    settings = settings_module.load(tmp_path, {"HOME": str(tmp_path)})
    _, made, report = build.build(image, None, None, tmp_path, settings)
    assert made.name == "docker-20.10.13-x86-64.raw"
    assert report.errors == 0
    boot(made, "--on", "nspawn:bookworm", "--on", "nspawn:trixie")


@pytest.mark.parametrize("debian", SUITES, indirect=True)
def test_flatcars_docker_runs_a_container_as_an_extension(tmp_path: Path, debian: Debian) -> None:
    """Debian's Docker is dynamic, so the extension is coupled to that very Debian."""
    tree = tmp_path / "tree"
    torcx.flatcar(tree, debian.docker_programs("x86-64"))
    libraries = tree / "lib/x86_64-linux-gnu"
    libraries.mkdir()
    found = debian.unpacked("x86-64", "libdevmapper1.02.1").rglob("libdevmapper.so.*")
    shutil.copy(next(iter(found)), libraries)
    image = tmp_path / "docker:20.10.torcx.squashfs"
    level = ["-comp", "zstd", "-Xcompression-level", "1"]
    subprocess.run(["mksquashfs", tree, image, "-quiet", "-no-progress", *level], check=True)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bakery",
            "torcx",
            image,
            "--os",
            f"debian:{SUITES[debian.suite]}",
        ],
        env={**os.environ, "BAKERY_PROFILE": "fast"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not carried over" not in done.stdout
    assert "makes docker, which units name" in done.stdout
    (tmp_path / "check.yaml").write_text(ANSWERS)
    made = tmp_path / "docker-20.10-x86-64.raw"
    checked = ("--check", str(tmp_path / "check.yaml"))
    boot(made, "--on", f"nspawn:{debian.suite}", *checked, start="docker.socket")
