from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bakery import settings
from bakery.arch import native_arch
from bakery.build.context import Context
from bakery.build.reporter import Reporter
from bakery.build.state import State
from bakery.build.step import Made, Step
from bakery.build.steps import fetch
from bakery.build.steps.squashed import Squashed
from bakery.errors import BakeryError
from bakery.progress import Silent

if TYPE_CHECKING:
    from pathlib import Path

SHA256 = "0" * 64


def task(name: str) -> Any:
    return SimpleNamespace(name=name, actions=[object()])


def started(reporter: Reporter, name: str) -> Any:
    reporter.execute_task(task(name))
    return task(name)


def failure(name: str, message: str) -> Any:
    return SimpleNamespace(get_name=lambda: name, get_msg=lambda: message)


def image(name: str, arch: str) -> Any:
    return SimpleNamespace(
        id=f"{name}-{arch}", release=name, filename=f"{name}-{arch}.raw", contents=None
    )


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "FORCE_COLOR", "TTY_COMPATIBLE", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context.of(settings.load(tmp_path, {}))


@pytest.fixture
def state(context: Context) -> State:
    return State(context.settings.dist)


@pytest.fixture
def reporter(context: Context, state: State) -> Reporter:
    images = [image("tool-1.0", "x86-64"), image("tool-1.0", "arm64")]
    for each in images:

        def run(_: object, each: Any = each) -> Made[Squashed]:
            file = context.file(each)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"image")
            facts = Squashed(size=3 << 20, contents=10 << 20, sha256=SHA256, tools="")
            return Made(facts=facts, outputs=(file,))

        state.do(Step(kind="squash", name=each.id, run=run, facts=Squashed), Silent())
    return Reporter(context, state, images)


def test_a_build_ends_with_a_table_and_what_next(
    reporter: Reporter, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter.execute_task(task("squash:tool-1.0-x86-64"))
    reporter.add_success(task("squash:tool-1.0-x86-64"))
    reporter.skip_uptodate(task("squash:tool-1.0-arm64"))
    reporter.complete_run()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("squash  tool-1.0-x86-64 ")
    assert "3.0 MiB" in lines[0]
    assert lines[2].split() == ["image", "size", "ratio", "time", "where"]
    assert lines[3].split() == [
        *("tool-1.0-x86-64", "3.0", "MiB", "30", "%", "0.0", "s", "built"),
        "dist/tool-1.0/tool-1.0-x86-64.raw",
    ]
    assert "cached" in lines[4]
    assert lines[6].startswith("1 built, 1 cached, in ")
    assert lines[7].startswith("What next: ")


def test_a_failure_is_told_at_once_and_again_at_the_end(
    reporter: Reporter, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter.execute_task(task("fetch:abc"))
    reporter.add_failure(task("fetch:abc"), failure("TaskFailed", "no such host\n  fix:   look"))
    reporter.add_failure(task("stage:x"), failure("UnmetDependency", "fetch:abc"))
    reporter.complete_run()
    out = capsys.readouterr().out
    assert "fetch   abc" in out
    assert "  no such host\n    fix:   look\n" in out
    assert "1 failed: fetch:abc\nnot done because of that: stage:x\n" in out
    assert "the same command continues" in out


def test_one_mistake_in_all_architectures_is_explained_once(
    reporter: Reporter, capsys: pytest.CaptureFixture[str]
) -> None:
    for arch in ("x86-64", "arm64"):
        broken = f"tool-1.0-{arch} breaks 1 rule\nerror: usr/bin is a file"
        reporter.add_failure(task(f"check:tool-1.0-{arch}"), failure("TaskFailed", broken))
    out = capsys.readouterr().out
    assert out.count("usr/bin is a file") == 1
    assert "for the same reason as check:tool-1.0-x86-64" in out


def test_a_long_list_of_failures_is_cut(
    reporter: Reporter, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        reporter.add_failure(task(f"stage:{number}"), failure("UnmetDependency", "fetch:abc"))
    reporter.add_failure(task("fetch:abc"), failure("TaskFailed", "no such host"))
    reporter.complete_run()
    assert "stage:9 and 2 more\n" in capsys.readouterr().out


def test_what_to_do_next_is_said_of_the_newest_image_that_boots_here(
    reporter: Reporter, capsys: pytest.CaptureFixture[str]
) -> None:
    other = "arm64" if native_arch() == "x86-64" else "x86-64"
    reporter.add_success(started(reporter, f"squash:tool-1.0-{other}"))
    reporter.complete_run()
    said = capsys.readouterr().out
    assert "doit boot:" not in said
    assert f"Look into it: dist/stage/tool-1.0-{other}/tree" in said


def test_actions_gets_groups_errors_and_a_summary(
    reporter: Reporter,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    reporter.execute_task(task("check:tool-1.0-x86-64"))
    reporter.note("check:tool-1.0-x86-64", "one warning\nmore of it")
    reporter.add_success(task("check:tool-1.0-x86-64"))
    reporter.execute_task(task("fetch:abc"))
    reporter.add_failure(task("fetch:abc"), failure("TaskFailed", "no such host\nlook"))
    reporter.skip_uptodate(task("squash:tool-1.0-arm64"))
    reporter.complete_run()
    out = capsys.readouterr().out
    assert out.startswith("::group::check   tool-1.0-x86-64")
    assert "one warning\nmore of it\n::endgroup::\n" in out
    assert "::error title=fetch:abc::no such host%0Alook" in out
    assert (tmp_path / "summary.md").read_text().splitlines() == [
        "| image | size | ratio | time |  | where |",
        "| --- | --- | --- | --- | --- | --- |",
        "| tool-1.0-arm64 | 3.0 MiB | 30 % |  | cached | dist/tool-1.0/tool-1.0-arm64.raw |",
    ]


def test_what_a_running_task_does_is_counted(reporter: Reporter) -> None:
    reporter.execute_task(task("fetch:abc"))
    progress = reporter.progress("fetch:abc")
    progress.expect(100)
    progress.advance(60)
    progress.restart(10)
    progress.advance(5)
    assert reporter._running["fetch:abc"].done == 15
    reporter.progress("nobody").advance(1)


def test_packages_of_an_image_are_one_line(
    context: Context, state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = SimpleNamespace(
        assets=[
            SimpleNamespace(
                filename=f"lib{number}.deb", sha256=f"{number:064}", size=2 << 20, bundle="gdb"
            )
            for number in range(40)
        ]
    )
    gdb: Any = SimpleNamespace(id="gdb-16.3-x86-64", contents=contents)
    reporter = Reporter(context, state, [gdb])
    display, still = reporter._display, lambda: 100.0  # what takes no time has no time left
    reporter._pace._clock = display._clock = display._rate.clock = still
    tasks = [task(f"fetch:{fetch.name(asset)}") for asset in contents.assets]
    reporter.initialize({each.name: each for each in tasks}, [])
    reporter.skip_uptodate(tasks[0])
    for each in tasks[1:]:
        reporter.execute_task(each)
        reporter.progress(each.name).advance(1 << 20)
    reporter.add_success(tasks[1])
    assert display.lines(100, 20) == [
        "fetch   gdb-16.3-x86-64" + " 1 of 39 packages  39.0 MiB of 80.0 MiB    0 s".rjust(77),
        "────────────────  2 of 40 done, 1 running, 78.0 MiB/s",
    ]
    for each in tasks[2:-1]:
        reporter.add_success(each)
    reporter.add_failure(tasks[-1], failure("TaskFailed", "no such host"))
    out = capsys.readouterr().out
    assert "fetch   lib39.deb-000000000000 " in out
    assert "fetch   gdb-16.3-x86-64, 38 packages                   39.0 MiB" in out
    assert out.count("packages") == 1


def test_many_cached_images_are_one_line(
    context: Context, state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [image(f"tool-{number}", "x86-64") for number in range(100)]
    reporter = Reporter(context, state, images)
    for each in images:
        reporter.skip_uptodate(task(f"squash:{each.id}"))
    reporter.complete_run()
    assert capsys.readouterr().out == "100 images up to date in dist\n"


def test_recipes_that_are_left_out_are_shown_once(
    reporter: Reporter, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = BakeryError("there is no recipe.yaml", where="recipes/half")
    reporter.unusable = {"build:half": problem, "build:asked": problem}
    reporter.add_failure(task("build:asked"), failure("TaskFailed", problem.render()))
    reporter.complete_run()
    out = capsys.readouterr().out
    assert "build:half is left out: there is no recipe.yaml\n  where: recipes/half\n" in out
    assert "build:asked is left out" not in out
