"""Real builds, interrupted at every point between their steps and within the longest of them."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE
from threading import Event
from typing import IO, TYPE_CHECKING

import pytest
from harness import needs
from harness.processes import running, until
from harness.project import digest
from harness.small import small_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.debian import Debian
    from harness.mirror import Mirror
    from harness.project import Project

pytestmark = needs.programs("mksquashfs")

SAYS = {
    signal.SIGINT: "interrupted: the same command continues",
    signal.SIGTERM: "ended by SIGTERM: the same command continues",
    signal.SIGHUP: "ended by SIGHUP: the same command continues",
}
FINISHED = re.compile(r"(\w+ +\S.*?)  +(?:[\d.]+ \w+)? +\d+\.\d s")


def processes_in(folder: Path) -> list[str]:
    """Return the command lines that name a folder, or run in it."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().decode().split("\0")
            where = str((process / "cwd").readlink())
        except OSError:
            continue
        if (
            any(str(folder) in each for each in (*words, where))
            and int(process.name) != os.getpid()
        ):
            found.append(" ".join(words))
    return found


def finished(lines: Iterable[str]) -> list[str]:
    """Return what was done, from the lines that tell of it."""
    return [match[1] for line in lines if (match := FINISHED.fullmatch(line))]


def interrupted(
    project: Project, *words: str, number: signal.Signals, when: Callable[[IO[str]], str]
) -> tuple[int, list[str]]:
    """Interrupt a build once `when` returns what it has said so far; return status and work."""
    with project.start(*words) as process:
        assert process.stdout
        said = when(process.stdout)
        process.send_signal(number)
        more, err = process.communicate(timeout=600)
    lines = [line for line in (said + more).splitlines() if " running: " not in line]
    assert err == ""
    assert process.returncode in (0, -number)
    if process.returncode and not more:  # it came while Python itself ended: all was done
        assert finished(project.doit(*words[1:]).splitlines()) == []
        return 0, finished(lines)
    if process.returncode:
        assert lines[-1] == SAYS[number]
        assert finished(lines[:-1]) == [FINISHED.sub(r"\1", line) for line in lines[:-1]]
        assert list((project.dist / ".bakery/scratch").glob("*")) == []
        assert [path for path in project.root.rglob("*") if ".partial" in path.name] == []
        until(lambda: processes_in(project.root) == [])
    return process.returncode, finished(lines)


def a_task_is_over(stdout: IO[str]) -> str:
    """Read the next line that tells of a finished task."""
    said = ""
    for line in stdout:
        said += line
        if FINISHED.fullmatch(line.strip()):
            break
    return said


@needs.programs("dpkg-deb")
def test_interrupted_after_each_line_it_goes_on_and_does_nothing_twice(
    tmp_path: Path, mirror: Mirror
) -> None:
    project = small_project(tmp_path / "project", mirror)
    done: list[str] = []
    for number in itertools.cycle(SAYS):
        status, now = interrupted(
            project, "doit", "build:alpha", "build:packages", number=number, when=a_task_is_over
        )
        assert not set(now) & set(done)
        done += now
        if status == 0:
            break
    assert len(list(project.dist.glob("*/*.raw"))) == 4
    assert finished(project.doit("build:alpha", "build:packages").splitlines()) == []


SELF_CONTAINED = """summary: a greeting
homepage: https://example.com
license: GPL-3.0-or-later
build: ['1.0']
arch: {x86-64: amd64}
assets: [{debian: {packages: [hello], suite: bookworm}, install: {usr/bin/hello: usr/bin/}}]
self-contained: true
"""


def unending(folder: Path) -> Path:
    """Return a folder with a mksquashfs that does its work, and does not end then."""
    program = folder / "mksquashfs"
    real = shutil.which(program.name)
    text = f'#!/bin/sh\n{real} "$@" || exit\n[ "$1" = -version ] || exec sleep infinity\n'
    program.write_text(text)
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize("where", ["stage@*/*/*/*", "squash@*/*.raw"])
def test_interrupted_within_a_step_it_leaves_nothing(
    project: Project, mirror: Mirror, debian: Debian, tmp_path: Path, where: str
) -> None:
    """While libraries are kept for a self-contained image, and while mksquashfs writes."""
    digests = {}
    for name in ("libc6", "hello"):
        deb = debian.package("x86-64", name)
        path = f"pool/main/{name[0]}/{name}/{deb.name}"
        shutil.copy(deb, mirror.place(f"http://debian/{path}"))
        digests[f"debian:bookworm/{path}"] = digest(deb)
    project.environment["BAKERY_DEBIAN_MIRROR"] = f"{mirror.url}/debian"
    project.add("hello", **{"recipe.yaml": SELF_CONTAINED})
    project.lock("hello", "1.0", digests)
    tasks = ("doit", "squash:hello-1.0-x86-64")

    def begun(_: IO[str]) -> str:
        until(lambda: any((project.dist / ".bakery/scratch").glob(where)))
        return ""

    path = project.environment["PATH"]
    project.environment["PATH"] = f"{unending(tmp_path)}:{path}"
    status, done = interrupted(project, *tasks, number=signal.SIGINT, when=begun)
    project.environment["PATH"] = path
    assert status
    again = finished(project.doit(*tasks[1:]).splitlines())
    assert not set(done) & set(again)
    assert "squash  hello-1.0-x86-64" in again


@pytest.mark.parametrize(
    "words", ["bakery lock alpha 1.0", "bakery verify alpha --download", "bakery ls alpha"]
)
@needs.programs("dpkg-deb")
def test_other_commands_end_as_builds_do(tmp_path: Path, mirror: Mirror, words: str) -> None:
    project = small_project(tmp_path / "project", mirror)
    paths = [f"/example.com/alpha-1.0-{word}" for word in ("x86_64", "aarch64")]
    released = Event()
    mirror.held = dict.fromkeys(paths, released)
    with project.start(*words.split()) as process:
        until(lambda: any(path in mirror.requests for path in paths))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=600)
    released.set()
    assert (out, err) == ("", "interrupted\n")
    assert process.returncode == -signal.SIGINT
    mirror.held = {}
    assert project.run(*words.split()).returncode == 0


PREPARE = """\
import sys
from pathlib import Path

from bakery import interrupts
from bakery.arch import native_arch
from bakery.boot.nspawn import Nspawn

interrupts.install()
machine = Nspawn(suite="trixie", cache=Path(sys.argv[1]), arch=native_arch())
machine.prepare(lambda *_, **__: None)
"""


@pytest.mark.nightly
@needs.ROOT
@needs.programs("debootstrap", "systemd-nspawn")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_system_that_is_made_leaves_no_mount(tmp_path: Path, number: signal.Signals) -> None:
    def mounted() -> bool:
        return any(str(tmp_path) in mounts(each) for each in Path("/proc").glob("[0-9]*"))

    command = [sys.executable, "-c", PREPARE, str(tmp_path)]
    with running(subprocess.Popen(command, stderr=PIPE)) as process:
        until(mounted, beside=process)
        process.send_signal(number)
        process.communicate()
    assert process.returncode == -number
    until(lambda: processes_in(tmp_path) == [])
    assert str(tmp_path) not in mounts(Path("/proc/self"))
    if number != signal.SIGKILL:
        assert list(tmp_path.glob(".*.partial")) == []


def mounts(process: Path) -> str:
    try:
        return (process / "mounts").read_text()
    except OSError:  # it has ended
        return ""
