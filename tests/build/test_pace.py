from __future__ import annotations

import pytest
from harness.hand_clock import Clock

from bakery.build.pace import Pace


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(clock)


def test_nothing_is_foretold_before_something_is_over(pace: Pace) -> None:
    pace.expect("stage:a")
    pace.begin("stage:a")
    assert pace.overall().left is None
    assert (pace.overall().done, pace.overall().all) == (0, 1)


def test_assets_take_as_long_as_their_bytes(pace: Pace, clock: Clock) -> None:
    pace.expect("fetch:a", 10)
    pace.expect("fetch:b", 30)
    pace.begin("fetch:a")
    clock.seconds += 2
    pace.end("fetch:a")
    assert pace.overall().left == 6
    pace.begin("fetch:b")
    clock.seconds += 4
    assert pace.overall().left == 2
    clock.seconds += 4
    assert pace.overall().left == 0


def test_kinds_are_told_apart_and_what_ran_at_once_will_again(pace: Pace, clock: Clock) -> None:
    tasks = [f"{kind}:{name}" for kind in ("stage", "squash") for name in "abcd"]
    for task in tasks:
        pace.expect(task)
    for task in ("stage:a", "stage:b"):
        pace.begin(task)
    clock.seconds += 3
    for task in ("stage:a", "stage:b"):
        pace.end(task)
    assert pace.overall().left == (2 * 3 + 4 * 3) / 2
    for task in ("squash:a", "squash:b"):
        pace.begin(task)
    clock.seconds += 5
    for task in ("squash:a", "squash:b"):
        pace.end(task)
    assert pace.overall().left == (2 * 3 + 2 * 5) / 2


def test_downloads_tell_nothing_of_other_steps(pace: Pace, clock: Clock) -> None:
    pace.expect("fetch:a", 10)
    pace.expect("stage:a")
    pace.begin("fetch:a")
    clock.seconds += 2
    pace.end("fetch:a")
    assert pace.overall().left is None


def test_what_need_not_be_done_counts_as_done(pace: Pace) -> None:
    pace.expect("stage:a")
    pace.expect("stage:b")
    pace.end("stage:a")
    pace.end("build:unknown")
    assert (pace.overall().done, pace.overall().all) == (1, 2)
