from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bakery import settings
from bakery.build import menu
from bakery.build.state import State
from bakery.build.step import Nothing, Step

if TYPE_CHECKING:
    from pathlib import Path


def step(name: str, *, done: bool) -> Step[Nothing]:
    return Step(kind="build", name=name, run=NotImplemented, facts=Nothing, is_done=lambda: done)


@pytest.mark.parametrize(
    ("built", "booted", "published", "publisher", "shown"),
    [
        (None, False, False, "directory:out", "----"),
        (False, False, False, "directory:out", "L---"),
        (True, False, False, "directory:out", "LB--"),
        (True, True, False, "directory:out", "LBT-"),
        (True, True, True, "directory:out", "LBTP"),
        (False, False, True, "directory:out", "L--P"),
        (True, False, False, "github:a/b", "LB-?"),
    ],
)
def test_marks_tell_how_far_the_newest_version_has_come(
    tmp_path: Path, *, built: bool | None, booted: bool, published: bool, publisher: str, shown: str
) -> None:
    held = settings.load(tmp_path, {"BAKERY_PUBLISHER": publisher})
    if published:
        (tmp_path / "out/app-2.0").mkdir(parents=True)
    releases = [] if built is None else [step("app-1.0", done=True), step("app-2.0", done=built)]
    boots = [step("app-2.0-x86-64", done=True)] if booted else []
    state = State(tmp_path / "dist")
    assert menu.marks(releases, boots, state, held, locked=bool(releases)) == shown


def test_a_summary_fits_beside_what_stands_around_it() -> None:
    line = menu.line("LB--", "Docker Engine, CLI, containerd and runc", "core", 33)
    assert line == "LB--  Docker Engine, CLI… [core]"
    assert menu.line("LB--", "Docker Engine", "core", 33) == "LB--  Docker Engine [core]"
    assert menu.line("----", "broken: " + "x" * 80, "", 33).endswith("…")
    assert menu.line("LB--", "x" * 80, "core", None) == f"LB--  {'x' * 80} [core]"


def test_only_a_terminal_has_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert menu.width(["build:app"]) is None
    monkeypatch.setenv("COLUMNS", "60")
    assert menu.width(["build:app"]) == 60 - len("build:app") - 3


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [([], True), (["--all"], True), (["-q"], False), (["build"], False)],
)
def test_the_legend_stands_above_the_whole_menu(arguments: list[str], *, shown: bool) -> None:
    assert menu.is_shown(["list", *arguments]) is shown
