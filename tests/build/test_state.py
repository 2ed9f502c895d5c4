from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bakery.build.state import State, StateError
from bakery.build.step import Made, Nothing, Step
from bakery.errors import BakeryError
from bakery.files import boot_id
from bakery.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bakery.build.step import Work


class Sized(msgspec.Struct, frozen=True):
    a: int


def write(work: Work) -> Made[Sized]:
    image = work.state.dist / "image.raw"
    image.write_bytes(b"bytes")
    return Made(
        facts=Sized(1), outputs=(image,), attachments={"manifest": b"{}"}, note=work.key[:1]
    )


def step(
    run: Callable[[Work], Made[Any]] = write, *, kind: str = "squash", **changes: Any
) -> Step[Any]:
    return Step(**{"kind": kind, "name": "x", "run": run, "facts": Sized, **changes})


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    return tmp_path / "dist"


@pytest.fixture
def done(dist: Path) -> Step[Sized]:
    squash = step(attached=("manifest",))
    State(dist).do(squash, Silent())
    return squash


def test_a_record_survives(dist: Path, done: Step[Sized]) -> None:
    record = State(dist).required(done)
    assert record.facts == Sized(1)
    assert record.seconds >= 0
    assert [output.path for output in record.outputs] == ["image.raw"]
    assert State(dist).required_attachment(done, "manifest") == b"{}"


def test_nothing_but_records_attachments_and_locks_stays(dist: Path, done: Step[Sized]) -> None:
    kept = [path for path in (dist / ".bakery").rglob("*") if path.is_file()]
    assert sorted(path.name for path in kept) == ["x", "x.json", "x.manifest"]
    State(dist).clean(done)
    assert [path for path in kept if path.exists()] == [dist / ".bakery/lock/x"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"key": 1}', b"\xff"])
def test_a_damaged_record_counts_as_none(dist: Path, done: Step[Sized], damage: bytes) -> None:
    (dist / ".bakery/squash/x.json").write_bytes(damage)
    state = State(dist)
    assert state.record("squash", "x", Sized) is None
    assert not state.is_done(done)
    with pytest.raises(StateError, match="doit squash:x"):
        state.required(done)


def test_an_attachment_that_is_gone_is_explained(dist: Path, done: Step[Sized]) -> None:
    (dist / ".bakery/squash/x.manifest").unlink()
    with pytest.raises(StateError, match="doit clean squash:x"):
        State(dist).required_attachment(done, "manifest")


def test_it_is_done_for_its_key_only(dist: Path, done: Step[Sized]) -> None:
    assert State(dist).is_done(done)
    assert not State(dist).is_done(step(inputs=lambda: ("other",)))
    assert not State(dist).is_done(step(name="y"))
    assert State(dist).standing(step(inputs=lambda: ("other",))) == Sized(1)


@pytest.mark.parametrize("change", ["touch", "grow", "remove"])
def test_a_changed_output_is_noticed(dist: Path, done: Step[Sized], change: str) -> None:
    image = dist / "image.raw"
    mtime = image.stat().st_mtime_ns
    if change == "touch":
        os.utime(image, ns=(0, mtime + 1_000_000))
    elif change == "grow":
        image.write_bytes(b"more bytes")
        os.utime(image, ns=(mtime, mtime))
    else:
        image.unlink()
    assert not State(dist).is_done(done)
    assert State(dist).standing(done) is None


def test_who_waited_looks_again(dist: Path) -> None:
    dist.mkdir()
    began, ends = threading.Event(), threading.Event()
    ran = []

    def run(work: Work) -> Made[Sized]:
        ran.append(work)
        began.set()
        assert ends.wait(30)
        return write(work)

    first, second = State(dist), State(dist)
    squash = step(run)
    assert not second.is_done(squash)
    threads = [
        threading.Thread(target=state.do, args=(squash, Silent())) for state in (first, second)
    ]
    threads[0].start()
    assert began.wait(30)
    threads[1].start()
    ends.set()
    for thread in threads:
        thread.join(timeout=30)
    assert len(ran) == 1
    assert second.is_done(squash)


def test_scratch_goes_whatever_happens(dist: Path) -> None:
    def fail(work: Work) -> Made[Sized]:
        (work.scratch / "half").mkdir()
        raise KeyError

    with pytest.raises(KeyError):
        State(dist).do(step(fail), Silent())
    assert not list((dist / ".bakery/scratch").iterdir())


def test_a_failing_disk_is_explained(dist: Path) -> None:
    def fail(_: Work) -> Made[Sized]:
        raise OSError(28, "No space left on device", "/some/where")

    with pytest.raises(StateError) as caught:
        State(dist).do(step(fail, kind="stage"), Silent())
    assert caught.value.render().startswith(
        "stage:x can't be written: No space left on device\n  where: /some/where"
    )


def test_leftovers_are_swept_but_not_those_of_the_living(dist: Path) -> None:
    (dist / ".bakery/scratch/squash@dead/half").mkdir(parents=True)

    def look(work: Work) -> Made[Sized]:
        (work.scratch / "half").mkdir()
        State(dist).sweep()
        assert (work.scratch / "half").is_dir()
        return write(work)

    State(dist).do(step(look), Silent())
    assert not list((dist / ".bakery/scratch").iterdir())


def test_a_key_covers_kind_inputs_and_what_comes_before(dist: Path) -> None:
    state = State(dist)
    before = step(kind="stage")
    keys = [
        state.key(each)
        for each in (
            step(),
            step(kind="check"),
            step(inputs=lambda: ("a", "b")),
            step(inputs=lambda: ("ab",)),
            step(inputs=lambda: ("a\0b",)),
            step(after=(before,)),
            step(after=(step(kind="stage", inputs=lambda: ("a",)),)),
        )
    ]
    assert len(set(keys)) == len(keys)
    assert state.key(step(content="1" * 64)) == "1" * 64


def test_a_step_whose_inputs_cannot_be_told_is_not_done(dist: Path, done: Step[Sized]) -> None:
    def missing() -> tuple[str, ...]:
        raise BakeryError("mksquashfs is not installed")

    assert State(dist).is_done(done)
    assert not State(dist).is_done(step(inputs=missing))


def test_what_a_later_step_replaces_need_not_be_there(dist: Path) -> None:
    state = State(dist)
    stage = step(lambda _: Made(facts=Nothing()), kind="stage", facts=Nothing)
    squash = step(after=(stage,), replaces=(stage,))
    check = step(lambda _: Made(facts=Sized(0)), kind="check", after=(squash,))
    for each in (stage, squash, check):
        state.add(each)
    assert not state.is_done(stage)
    state.do(squash, Silent())
    state.do(check, Silent())
    assert state.is_done(stage)
    (dist / "image.raw").unlink()
    assert not any(State(dist).is_done(each) for each in (stage, squash, check))


def test_what_need_not_outlast_the_boot_of_a_system_counts_in_that_boot_alone(
    dist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = step(lambda work: replace(write(work), boot=boot_id()), kind="stage")
    State(dist).do(stage, Silent())
    assert State(dist).is_done(stage)
    assert State(dist).standing(stage)
    monkeypatch.setattr("bakery.build.state.boot_id", lambda: "the next one")
    assert not State(dist).is_done(stage)
    assert not State(dist).standing(stage)


def test_what_is_known_elsewhere_leaves_no_record(dist: Path) -> None:
    fetched = []

    def fetch(work: Work) -> Made[Nothing]:
        fetched.append(work)
        return Made(facts=Nothing(), note="there")

    asset = step(fetch, kind="fetch", facts=Nothing, is_done=lambda: bool(fetched))
    state = State(dist)
    assert not state.is_done(asset)
    assert state.do(asset, Silent()) == "there"
    assert not dist.exists()
    assert State(dist).is_done(asset)
