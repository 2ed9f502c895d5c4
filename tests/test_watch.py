from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bakery import watch
from bakery.watch import Family, Watch, parsed

if TYPE_CHECKING:
    import pytest


def test_a_name_may_hold_anything() -> None:
    tail = "S 2 3 4 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 77 0 0"
    process = parsed(f"1 (a) b (c) {tail}")
    assert (process.pid, process.name, process.state) == (1, "a) b (c", "S")
    assert (process.parent, process.session) == (2, 4)
    assert (process.ticks, process.started) == (11, 77)


def test_this_process_is_one_of_its_session() -> None:
    members = {process.pid for process in Family(os.getsid(0)).members()}
    assert os.getpid() in members


def test_where_nothing_can_be_seen_nothing_has_hung(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "self").symlink_to("1")  # a /proc of other processes than these
    (tmp_path / str(os.getpid())).symlink_to(f"/proc/{os.getpid()}")
    monkeypatch.setattr(watch, "_PROC", tmp_path)
    blind = Watch(os.getpid(), 0.0)
    assert Family(os.getpid()).members() == []
    monkeypatch.setattr(watch, "_LOOKS", 1)
    blind.patience = 1e-9
    assert not blind.has_hung()


def test_who_hides_what_it_reads_is_judged_by_its_processor_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is with programs of other users, and with those that hide from a debugger."""
    me = parsed(Path(f"/proc/{os.getpid()}/stat").read_text())
    assert "rchar" in watch._moved(me)
    monkeypatch.setattr(watch, "_PROC", tmp_path)
    assert watch._moved(me) == str(me.ticks)
