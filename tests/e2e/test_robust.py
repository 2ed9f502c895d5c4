"""Builds that are killed, doubled, starved of disk, or lied to by their upstream."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
from harness.project import TOOL, TOOL_URL, Project
from harness.server import Handler, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.mirror import Mirror

CONTENT = b"#!/bin/sh\necho " + bytes(range(65, 90)) * 40_000


def images(project: Project) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(project.dist.glob("*/*.raw"))
    }


def strays(project: Project) -> list[str]:
    """Return the files that a finished build should not have left."""
    found = list((project.dist / ".bakery" / "scratch").glob("*"))
    found += list((project.store / "partial").glob("*"))
    found += list(project.root.rglob("*.partial"))
    found += list(project.root.rglob("*.replaced"))
    return [str(path) for path in found]


@pytest.mark.parametrize(
    "end",
    [CONTENT[-9:-1] + bytes([CONTENT[-1] ^ 1]), b"rm -rf /\n"],
    ids=["a flipped bit", "forged"],
)
def test_stored_bytes_that_have_changed_reach_no_image(
    project: Project, mirror: Mirror, end: bytes
) -> None:
    mirror.place(TOOL_URL).write_bytes(CONTENT)
    project.add("tool", **{"recipe.yaml": TOOL})
    project.lock("tool", "1.0", {TOOL_URL: hashlib.sha256(CONTENT).hexdigest()})
    project.doit("fetch:*")
    (blob,) = project.store.glob("sha256/*/*")
    seal = blob.stat()
    blob.chmod(0o644)
    blob.write_bytes(CONTENT[:-9] + end)
    blob.chmod(seal.st_mode)
    os.utime(blob, ns=(seal.st_atime_ns, seal.st_mtime_ns))
    failed = project.run("doit", "build:tool-1.0")
    assert failed.returncode != 0
    assert "tool-1.0 is not the file that the lock pins" in failed.stdout
    assert "run the same command again" in failed.stdout
    assert not images(project)
    project.doit("build:tool-1.0")
    assert images(project)


def test_a_size_that_the_lock_lacks_is_known_once_it_was_fetched(
    project: Project, mirror: Mirror
) -> None:
    served = mirror.place(TOOL_URL)
    served.write_bytes(CONTENT)
    project.add("tool", **{"recipe.yaml": TOOL})
    project.lock("tool", "1.0", {TOOL_URL: hashlib.sha256(CONTENT).hexdigest()})
    before = (project.recipes / "tool/lock.json").read_bytes()
    project.doit("fetch:*")
    (blob,) = project.store.glob("sha256/*/*")
    seal = blob.stat()
    os.truncate(blob, 1000)
    os.utime(blob, ns=(seal.st_atime_ns, seal.st_mtime_ns))
    project.doit("build:tool-1.0")
    assert blob.stat().st_size == len(CONTENT)
    assert (project.recipes / "tool/lock.json").read_bytes() == before
    shutil.rmtree(project.dist / "stage")
    shutil.rmtree(project.dist / "tool-1.0")
    shutil.rmtree(project.store)
    served.write_bytes(CONTENT * 2)
    failed = project.run("doit", "build:tool-1.0")
    assert failed.returncode != 0
    assert f"received: {2 * len(CONTENT)} bytes" in failed.stdout


def test_killed_at_any_moment_it_continues_and_ends_the_same(docker_project: Project) -> None:
    """Killed ten times at moments spread over a build, then run to the end."""
    docker_project.doit("build:docker")
    expected = images(docker_project)
    moments = random.Random(20101013)
    killed = 0
    for _ in range(10):
        if moments.random() < 0.3:
            shutil.rmtree(docker_project.dist, ignore_errors=True)
            shutil.rmtree(docker_project.store, ignore_errors=True)
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with docker_project.start("doit", "build:docker", start_new_session=True, **silent) as run:
            try:
                run.wait(timeout=moments.uniform(0.1, 6))
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
                killed += 1
    docker_project.doit("build:docker")
    assert killed
    assert images(docker_project) == expected
    assert strays(docker_project) == []


def test_two_builds_at_once_share_the_work(docker_project: Project) -> None:
    start = partial(docker_project.start, "doit", "build:docker", stderr=subprocess.STDOUT)
    with start() as one, start() as other:
        outputs = [process.communicate(timeout=300)[0] for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], "\n".join(outputs)
    once = images(docker_project)
    assert strays(docker_project) == []
    docker_project.doit("clean", "build:docker-20.10.13")
    docker_project.doit("build:docker")
    assert images(docker_project) == once


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("setting", ["BAKERY_DIST", "BAKERY_STORE"])
def test_a_full_disk_is_said_and_heals(
    docker_project: Project, small_disk: Path, setting: str
) -> None:
    done = docker_project.run("doit", "build:docker", **{setting: str(small_disk)})
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "No space left" in said or "full" in said
    assert "Traceback" not in said
    assert not list(small_disk.rglob("*.raw"))
    subprocess.run(["mount", "-o", "remount,size=2g", small_disk], check=True)
    docker_project.doit("build:docker", **{setting: str(small_disk)})


class Liar(Server):
    """An upstream that answers wrongly in one way, the first times or always."""

    def __init__(self, behaviour: str, times: int) -> None:
        super().__init__(_Handler)
        self.behaviour = behaviour
        self.left = times
        self.requests = 0
        self.reached = threading.Event()
        self.released = threading.Event()


class _Handler(Handler):
    server: Liar

    def get(self) -> None:
        self.server.requests += 1
        if self.server.left > 0:
            self.server.left -= 1
            getattr(self, self.server.behaviour)()
        else:
            self.answer(CONTENT)

    def answer(
        self, body: bytes, *, status: int = 200, length: int | None = None, **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def truncates(self) -> None:
        self.answer(CONTENT[:1000], length=len(CONTENT))

    def says_too_little(self) -> None:
        self.answer(CONTENT, length=1000)

    def busy(self) -> None:
        self.answer(b"", status=429, Retry_After="0")

    def broken(self) -> None:
        self.answer(b"oops", status=500)

    def web_page(self) -> None:
        self.answer(b"<!DOCTYPE html><p>Please log in", Content_Type="text/html")

    def other_bytes(self) -> None:
        self.answer(CONTENT[::-1])

    def stalls(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.server.reached.set()
        self.server.released.wait(60)

    def gone(self) -> None:
        self.answer(b"", status=404)


def tool_project(tmp_path: Path, liar: Liar) -> Project:
    project = Project(tmp_path / "project", {"BAKERY_MIRROR": liar.url})
    project.add("tool", **{"recipe.yaml": TOOL})
    project.lock("tool", "1.0", {TOOL_URL: hashlib.sha256(CONTENT).hexdigest()})
    return project


@pytest.mark.parametrize("behaviour", ["truncates", "busy", "broken"])
def test_it_recovers_from_a_passing_fault(tmp_path: Path, behaviour: str) -> None:
    with Liar(behaviour, times=1) as liar:
        project = tool_project(tmp_path, liar)
        project.doit("stage:tool-1.0-x86-64")
        tree = project.dist / "stage/tool-1.0-x86-64/tree"
        assert (tree / "usr/bin/tool").read_bytes() == CONTENT
        assert liar.requests == 2
        assert strays(project) == []


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        ("says_too_little", "sha256"),
        ("web_page", "html"),
        ("other_bytes", "sha256"),
        ("gone", "404"),
    ],
)
def test_lies_are_told_and_never_become_an_image(tmp_path: Path, behaviour: str, says: str) -> None:
    with Liar(behaviour, times=1000) as liar:
        project = tool_project(tmp_path, liar)
        done = project.run("doit", "build:tool")
        said = done.stdout + done.stderr
        assert done.returncode != 0
        assert says in said.lower()
        assert "Traceback" not in said
        assert images(project) == {}
        assert not list(project.store.glob("sha256/*/*"))


def test_an_interrupted_build_ends_in_peace_and_continues(tmp_path: Path) -> None:
    """Ctrl-C while a download stands still: no traceback, and the shell sees the signal."""
    with Liar("stalls", times=1) as liar:
        project = tool_project(tmp_path, liar)
        with project.start("doit", "build:tool") as process:
            assert liar.reached.wait(600)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=600)
        liar.released.set()
        assert process.returncode == -signal.SIGINT
        assert "the same command continues" in out
        assert err == ""
        project.doit("stage:tool-1.0-x86-64")
        assert strays(project) == []
