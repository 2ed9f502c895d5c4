"""One small recipe through the graph, beside others that are broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.project import TOOL

if TYPE_CHECKING:
    from harness.project import Project

WAIVER = {"BAKERY_BOOT_WAIVER": "x86-64: nothing here boots it", "BAKERY_SIGNING_KEY": ""}
LATEST = TOOL.replace("build: ['1.0']", "build: [latest]\nupstream: {pypi: tool}")


def made(project: Project) -> dict[str, int]:
    folder = project.dist / "tool-1.0"
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_broken_neighbours_stop_nothing_and_fail_where_they_are_asked_for(tool: Project) -> None:
    (tool.recipes / "empty").mkdir()
    tool.add("typo", **{"recipe.yaml": TOOL.replace("summary", "sumary")})
    tool.add("variant", **{"recipe.yaml": "extends: typo\n"})
    tool.add("new", **{"recipe.yaml": LATEST})
    alone = tool.doit("build:tool-1.0")
    assert "left out" not in alone
    menu = tool.doit("list")
    assert menu.count("broken: ") == 3
    everything = tool.doit("build")
    for name in ("empty", "typo", "variant", "new"):
        assert f"build:{name} is left out: " in everything
        done = tool.run("doit", "build:tool", f"build:{name}")
        assert done.returncode == 1
        assert "left out" not in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
    assert "bakery update new" in tool.run("doit", "build:new").stdout
    assert tool.run("doit", "squash:typo-1.0-x86-64").returncode != 0
    matrix = tool.run("bakery", "matrix", "--shards", "2")
    assert json.loads(matrix.stdout)["include"]
    assert "typo is left out" in matrix.stderr
    assert tool.run("bakery", "gc").returncode == 0


def test_clean_undoes_what_the_same_name_builds(tool: Project) -> None:
    tool.doit("build:tool")
    tool.doit("clean", "build:tool")
    kept = {"lock", "fetch"}  # and the assets, of which the records of fetch tell the sizes
    left = [path for path in tool.dist.rglob("*") if path.is_file()]
    assert [path for path in left if path.parent.name not in kept] == []
    assert "stay in the store" in tool.doit("clean", "fetch")


def test_a_release_stays_what_it_is_when_it_is_built_again_and_published(tool: Project) -> None:
    tool.doit("build:tool-1.0")
    assert json.loads((tool.dist / "tool-1.0/release.json").read_text())["waived_boots"] == []
    tool.doit("release:tool-1.0", **WAIVER)
    document = json.loads((tool.dist / "tool-1.0/release.json").read_text())
    machines = ["nspawn:bookworm", "nspawn:trixie"]
    waived = {"image": "tool-1.0-x86-64", "machines": machines, "reason": "nothing here boots it"}
    assert waived in document["waived_boots"]
    finished = made(tool)
    tool.doit("build:tool-1.0", **WAIVER)
    assert "upload" in tool.doit("publish:tool-1.0", "--dry-run", **WAIVER)
    assert not (tool.root / "published").exists()
    said = tool.doit("publish:tool-1.0", **WAIVER)
    assert not {"build", "release", "squash"} & {
        line.partition(" ")[0] for line in said.split("\n")
    }
    assert made(tool) == finished
    assert (tool.root / "published/tool-1.0/SHA256SUMS").exists()


def test_a_preview_builds_nothing(tool: Project) -> None:
    done = tool.run("doit", "publish:tool-1.0", "--dry-run", **WAIVER)
    assert done.returncode != 0
    assert "doit release:tool-1.0" in done.stdout
    assert not (tool.dist / "tool-1.0").exists()
