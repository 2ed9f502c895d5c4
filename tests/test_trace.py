"""Traces: tracks, spans and arrows, as Perfetto takes them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness.timeline import Timeline

from bakery import trace
from bakery.errors import BakeryError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "trace.json"
    trace.start(path)
    yield path
    trace.finish()


def read(file: Path) -> Timeline:
    assert trace.finish() == file
    return Timeline(file)


def test_spans_contain_each_other_and_say_what_is_known(file: Path) -> None:
    with trace.span("fetch:a", "fetch", source="here") as outer:
        with trace.span("download"):
            pass
        outer.note(bytes=7)
    timeline = read(file)
    outer_slice = timeline.of("fetch")["fetch:a"]
    assert outer_slice.args == {"source": "here", "bytes": 7}
    assert timeline.within(outer_slice) == ["download"]
    assert timeline.of("run")["all"].contains(outer_slice)


def test_threads_at_once_have_tracks_of_their_own_and_leave_them_to_others(file: Path) -> None:
    both = threading.Barrier(2)

    def work(name: str) -> None:
        with trace.span(name, "stage"):
            both.wait(30)

    for names in (("stage:a", "stage:b"), ("stage:c", "stage:d")):
        threads = [threading.Thread(target=work, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    timeline = read(file)
    stages = timeline.of("stage")
    assert stages["stage:a"].track != stages["stage:b"].track
    assert {each.track for each in timeline.slices} == {1, 2, 3}


def test_arrows_lead_from_what_was_made_to_what_uses_it(file: Path) -> None:
    tracing = trace.active()
    assert tracing
    for name, uses in (("fetch:a", []), ("fetch:b", []), ("stage:i", ["fetch:a", "fetch:c"])):
        with trace.span(name, name.partition(":")[0]):
            tracing.uses(uses)
            tracing.result(name)
    assert read(file).flows == {("fetch:a", "stage:i")}


def test_a_failure_is_marked(file: Path) -> None:
    with pytest.raises(ValueError, match="x"), trace.span("check:a", "check"):
        raise ValueError("x")
    assert read(file).of("check")["check:a"].args == {"failed": "ValueError"}


def test_nothing_is_recorded_where_nobody_asked() -> None:
    assert trace.active() is None
    assert trace.span("a", bytes=1) is trace.span("b")
    assert trace.finish() is None


def test_what_can_not_be_written_is_said_at_once(tmp_path: Path) -> None:
    for path in (tmp_path / "missing/trace.json", tmp_path, Path("/proc/trace.json")):
        with pytest.raises(BakeryError, match="trace can't be written"):
            trace.start(path)
