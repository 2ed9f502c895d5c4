"""Runs of a release workflow, by its own commands, in one of which a runner is lost."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from harness.project import TOOL, digest

from bakery.ci.times import KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from harness.mirror import Mirror
    from harness.project import Project

NAMES = ("base", "other", "top")  # top requires base
WAIVER = {"BAKERY_BOOT_WAIVER": "x86-64: nothing here boots it", "BAKERY_SIGNING_KEY": ""}


@pytest.fixture
def bakery(project: Project, mirror: Mirror) -> Project:
    for name in NAMES:
        url = f"https://example.com/{name}-1.0"
        mirror.place(url).write_text(f"#!/bin/sh\necho {name}\n")
        recipe = TOOL.replace("/tool-", f"/{name}-").replace("usr/bin/tool", f"usr/bin/{name}")
        more = "requires: [base]\n" if name == "top" else ""
        project.add(name, **{"recipe.yaml": recipe + more})
        project.lock(name, "1.0", {url: digest(mirror.place(url))})
    return project


@dataclass
class Run:
    """One run: what its jobs do, each in a folder of its own, as runners do."""

    bakery: Project
    number: int
    said: list[str] = field(default_factory=list)

    @property
    def artifacts(self) -> Path:
        return self.bakery.root / f"artifacts-{self.number}"

    def command(self, *words: str, dist: str = "", good: bool = True) -> str:
        """Run a command where a job's outputs lie; return what it wrote on stdout."""
        environment = {**WAIVER, "BAKERY_DIST": str(self.artifacts / (dist or "dist"))}
        done = self.bakery.run(*words, **environment)
        assert (done.returncode == 0) == good, done.stdout + done.stderr
        return done.stdout

    def plan(self) -> str:
        options = ("--shards", "2", "--unpublished", "--times", "times.json")
        return self.command("bakery", "matrix", *options).strip()

    def build(self, matrix: str, lost: str | None = None) -> None:
        """Have each shard build, and lose the one of an image afterwards."""
        for shard in json.loads(matrix)["include"]:
            folder = f"built-{shard['shard']}"
            self.said.append(self.command("doit", *shard["build"].split(), dist=folder))
            if f"boot:{lost}-1.0-x86-64" in shard["boot"].split():
                shutil.rmtree(self.artifacts / folder)

    def boot(self, matrix: str, agreed: str) -> None:
        for shard in json.loads(matrix)["include"]:
            dist, name = f"dist-{shard['shard']}", shard["shard"]
            restoring = ("restore", str(self.artifacts), "--agreed", agreed, "--shard", name)
            tasks = self.command("bakery", *restoring, dist=dist).split()
            if tasks:
                self.said.append(self.command("doit", *tasks, dist=dist))
                records = self.artifacts / dist / ".bakery/boot"
                shutil.copytree(records, self.artifacts / f"booted-{name}/.bakery/boot")

    def publish(self, agreed: str) -> list[str]:
        """Complete and publish what has been booted; return its names."""
        options = (str(self.artifacts), "--boots", "--agreed", agreed)
        ready = self.command("bakery", "restore", *options).split()
        self.said.append(self.command("doit", *ready))
        names = [task.removeprefix("release:") for task in ready]
        folders = [str(self.artifacts / "dist" / name) for name in names]
        self.command("bakery", "publish", *folders)
        return names

    def times(self) -> None:
        folders = [str(path) for path in self.artifacts.iterdir()]
        text = self.command("bakery", "times", *folders, "--known", "times.json")
        (self.bakery.root / "times.json").write_text(text)

    def whole(self, lost: str | None = None) -> list[str]:
        matrix = self.plan()
        self.build(matrix, lost)
        agree = ("agree", str(self.artifacts), "--matrix", matrix, "--once")
        agreed = self.command("bakery", *agree, good=not lost).strip()
        self.boot(matrix, agreed)
        self.times()
        return self.publish(agreed)

    def done(self, kind: str) -> list[str]:
        """Return of what steps of a kind were done, each as often as it was."""
        lines = [line for said in self.said for line in said.splitlines()]
        return sorted(line.split()[1] for line in lines if line.startswith(f"{kind} "))


def images(*names: str) -> list[str]:
    return [f"{name}-1.0-x86-64" for name in names]


def test_what_a_lost_runner_was_to_do_is_done_by_the_next_run(bakery: Project) -> None:
    first = Run(bakery, 1)
    published = first.whole(lost="top")
    assert published
    assert "top-1.0" not in published
    times = json.loads((bakery.root / "times.json").read_text())
    assert {f"{kind}:{each}-x86-64" for kind in KINDS[1:] for each in published} <= {*times}
    second = Run(bakery, 2)
    assert sorted([*published, *second.whole()]) == [f"{name}-1.0" for name in NAMES]
    assert sorted([*first.done("boot"), *second.done("boot")]) == images(*NAMES)
    assert {*second.done("squash")} <= {*images("base", "top")}
    assert json.loads(Run(bakery, 3).plan()) == {"include": []}
    times = json.loads((bakery.root / "times.json").read_text())
    assert {f"{kind}:{each}" for kind in KINDS[1:] for each in images(*NAMES)} <= {*times}
