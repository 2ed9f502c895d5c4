"""Extensions that work together, each scenario on a host of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness import needs, scenario

from bakery.boot.debian import SUITES
from bakery.boot.report import render

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [needs.ROOT, needs.programs("apt-get", "systemd-nspawn", "debootstrap", "mksquashfs")]
ALWAYS = ("docker", "monitoring")
NAMES = sorted(path.stem for path in scenario.SCENARIOS.glob("*.yaml"))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in ALWAYS else pytest.mark.nightly) for name in NAMES],
)
def test_extensions_work_together(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    built = scenario.build(name, tmp_path)
    for suite in SUITES if request.config.getoption("--nightly") else SUITES[1:2]:
        report = built.boot(suite, tmp_path / f"{suite}.journal")
        assert report.outcome == "passed", render(report)
