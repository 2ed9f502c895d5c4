"""What people see: screens of a real terminal, compared with files in tests/screens.

`pytest tests/e2e/test_screens.py --renew-screens` writes them anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest
from harness import labels, needs
from harness.debian import ROOTS, store
from harness.native import ARCH
from harness.processes import until
from harness.small import small_project
from harness.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.mirror import Mirror
    from harness.project import Project

pytestmark = needs.programs("tmux", "mksquashfs")

WIDTHS = (60, 80, 140)
HELD = "/example.com/alpha-1.0-x86_64"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name has the same length on every machine."""
    folder = Path(tempfile.mkdtemp(prefix="bakery-", dir="/tmp"))
    yield folder / "project"
    shutil.rmtree(folder)


@pytest.fixture
def project(folder: Path, mirror: Mirror) -> Project:
    return small_project(folder, mirror)


@pytest.fixture
def renew(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--renew-screens"))


def terminal(project: Project, width: int, *words: str) -> Terminal:
    return Terminal(project.command(*words), width=width, env=project.environment, cwd=project.root)


@pytest.mark.parametrize("width", WIDTHS)
@needs.programs("dpkg-deb")
def test_a_build_runs_is_interrupted_and_goes_on(
    project: Project, mirror: Mirror, width: int, *, renew: bool
) -> None:
    mirror.held[HELD] = Event()
    with terminal(project, width, "doit", "build") as shown:
        shown.shows(f"build-runs-{width}", renew=renew)
        assert not shown.wraps()
        shown.press("C-c")
        shown.wait()
        shown.shows(f"build-interrupted-{width}", renew=renew)
        assert shown.cursor_is_shown()
    mirror.held[HELD].set()
    with terminal(project, width, "doit", "build") as shown:
        shown.wait()
        shown.shows(f"build-ends-{width}", renew=renew)
        assert not shown.wraps()
        assert shown.cursor_is_shown()


@pytest.mark.parametrize(("width", "says"), [(20, " done"), (40, "50 %")])
def test_a_very_narrow_terminal_is_no_trouble(
    project: Project, mirror: Mirror, width: int, says: str
) -> None:
    mirror.held[HELD] = Event()
    with terminal(project, width, "doit", "build:alpha") as shown:
        until(lambda: says in shown.screen())
        mirror.held[HELD].set()
        shown.wait()
        assert "exit status 0" in shown.screen()
        assert width < 40 or not shown.wraps()


BROKEN = """summary: a tool
homepage: https://example.com
license: MIT
build: ['1.0']
arch: {x86-64: x86_64}
assets:
  - url: https://example.com/alpha-{version}-{arch}
    archive: plain
    install: usr/bin/broken
edit:
  usr/lib/systemd/system/broken.service: [{replace: /usr/local/bin, with: /usr/bin}]
start: [broken.service]
"""
SLOPPY = """summary: REVIEW what is it for?
homepage: https://example.com
license: GPL-2.0
build: ['1.0']
arch: {x86-64: x86_64}
assets: [{url: 'https://example.com/alpha-{version}-{arch}', instal: usr/bin/sloppy}]
"""


def add_broken(project: Project) -> None:
    project.add("broken", **{"recipe.yaml": BROKEN})
    lock = project.recipes / "alpha/lock.json"
    shutil.copy(lock, project.recipes / "broken/lock.json")


def add_sloppy(project: Project) -> None:
    project.add("sloppy", **{"recipe.yaml": SLOPPY, "check.yaml": "comands: []\n"})
    (project.recipes / "sloppy/README.md").unlink()


def make_bad_image(project: Project) -> None:
    tree = project.root / "tree"
    for path, text in {
        "etc/bad.conf": "",
        "usr/bin": "a file\n",
        "usr/lib/systemd/system/bad.service": "[Service]\nExecStart=/usr/local/bin/bad\n",
        "usr/lib/extension-release.d/extension-release.other": "ID=_any\n",
    }.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    if os.geteuid() == 0:  # nobody else sees labels
        labels.attach_all(tree)
    image = project.root / "bad-1.0-x86-64.raw"
    subprocess.run(["mksquashfs", tree, image, "-all-root", "-quiet"], check=True)


@pytest.mark.parametrize("width", WIDTHS)
@needs.programs("dpkg-deb")
def test_what_commands_show_at_their_end(project: Project, width: int, *, renew: bool) -> None:
    add_broken(project)
    add_sloppy(project)
    make_bad_image(project)
    for name, command in {
        "build-fails": "doit build:broken build:beta",
        "list": "doit list",
        "lint": "bakery lint sloppy",
        "check": "bakery check bad-1.0-x86-64.raw",
    }.items():
        with terminal(project, width, *command.split()) as shown:
            shown.wait()
            shown.shows(f"{name}-{width}", renew=renew)
            assert shown.cursor_is_shown()


@pytest.mark.parametrize("width", WIDTHS)
@needs.ROOT
@needs.programs("systemd-nspawn", "debootstrap")
def test_a_boot_that_fails(project: Project, width: int, *, renew: bool) -> None:
    store()
    project.store.mkdir()
    (project.store / "machines").symlink_to(ROOTS)
    tree = project.root / "tree"
    release = tree / "usr/lib/extension-release.d/extension-release.note"
    release.parent.mkdir(parents=True)
    release.write_text("ID=_any\n")
    image = f"note-1.0-{ARCH}.raw"
    subprocess.run(["mksquashfs", tree, project.root / image, "-all-root", "-quiet"], check=True)
    check = "commands: [{run: echo what is wrong >&2; false, timeout: 1}]\n"
    (project.root / "check.yaml").write_text(check)
    command = f"bakery boot --on nspawn:trixie --check check.yaml {image}"
    with terminal(project, width, *command.split()) as shown:
        shown.wait()
        shown.shows(f"boot-fails-{width}", renew=renew)
        assert shown.cursor_is_shown()
