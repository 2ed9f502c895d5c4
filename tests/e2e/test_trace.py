"""A build and a boot on a timeline: `doit build --profile-trace FILE`."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.debian import store
from harness.project import TOOL_URL
from harness.timeline import Timeline

if TYPE_CHECKING:
    from harness.mirror import Mirror
    from harness.project import Project

IMAGE = "tool-1.0-x86-64"
MACHINE = "nspawn:bookworm"


def test_a_build_shows_where_its_time_went(tool: Project, mirror: Mirror) -> None:
    path = tool.root / "trace.json"
    said = tool.doit("build", "--profile-trace", "trace.json")
    assert f"ui.perfetto.dev: {path}" in said
    timeline = Timeline(path)
    (fetched,) = timeline.of("fetch").values()
    assert fetched.args["bytes"] == mirror.place(TOOL_URL).stat().st_size
    assert "download" in timeline.within(fetched)
    staged, squashed, checked = (
        timeline.of(kind)[f"{kind}:{IMAGE}"] for kind in ("stage", "squash", "check")
    )
    assert {"unpack tool-1.0", "finish"} <= {*timeline.within(staged)}
    assert {"write squashfs", "mksquashfs", "hash the image"} <= {*timeline.within(squashed)}
    assert squashed.args["bytes"] == (tool.dist / "tool-1.0" / f"{IMAGE}.raw").stat().st_size
    assert "rule release-file-name" in timeline.within(checked)
    chain = [fetched.name, staged.name, squashed.name, checked.name, "build:tool-1.0"]
    assert {*pairwise(chain)} <= timeline.flows
    whole = timeline.of("run")["all"]
    assert all(whole.began <= s.began and s.ended <= whole.ended for s in timeline.slices)
    assert timeline.idle(within=whole) < (whole.ended - whole.began) / 2


def test_what_is_up_to_date_is_marked_and_a_setting_does_the_same(tool: Project) -> None:
    tool.doit("build:tool-1.0")
    tool.doit("build:tool-1.0", BAKERY_PROFILE_TRACE="again.json")
    timeline = Timeline(tool.root / "again.json")
    assert f"squash:{IMAGE}: up to date" in timeline.instants
    assert not timeline.of("squash")


def test_a_failed_build_has_a_trace(tool: Project, mirror: Mirror) -> None:
    mirror.place(TOOL_URL).write_text("other bytes\n")
    done = tool.run("doit", "build:tool", "--profile-trace=trace.json")
    assert done.returncode != 0
    (fetched,) = Timeline(tool.root / "trace.json").of("fetch").values()
    assert fetched.args["failed"] == "WrongBytesError"


@pytest.mark.parametrize("words", [["--profile-trace"], ["--profile-trace", "none/trace.json"]])
def test_a_file_that_can_not_be_is_said_before_anything_is_built(
    tool: Project, words: list[str]
) -> None:
    done = tool.run("doit", "build", *words)
    assert done.returncode == 3
    assert "trace" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tool.dist / "tool-1.0").exists()


@needs.ROOT
@needs.programs("systemd-nspawn", "debootstrap")
def test_a_boot_shows_where_its_time_went(tool: Project) -> None:
    tool.environment |= {"BAKERY_STORE": str(store()), "BAKERY_MACHINES": MACHINE}
    tool.doit(f"boot:{IMAGE}", "--profile-trace", "trace.json")
    timeline = Timeline(tool.root / "trace.json")
    machine = timeline.of("machine")[f"boot on {MACHINE}"]
    assert {"prepare the system", "boot", "power off"} <= {*timeline.within(machine)}
    assert [s for s in timeline.of("probe").values() if machine.contains(s)]
    assert (f"squash:{IMAGE}", f"boot:{IMAGE}") in timeline.flows
    step = timeline.of("boot")[f"boot:{IMAGE}"]
    assert step.began <= machine.began
    assert machine.ended <= step.ended
