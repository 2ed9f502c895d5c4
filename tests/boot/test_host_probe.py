from __future__ import annotations

import pytest

from bakery.boot.guest import Answer
from bakery.boot.host_probe import probe
from bakery.boot.inspect import Shipped

SHIPPED = Shipped(
    units=("app.service",), unit_files=frozenset({"app.service", "app-setup@.service"})
)
STARTED = "Id=app.service\nInvocationID=1\n"


def unit(state: str, more: str = "", *, name: str = "dbus.service", file: str = "") -> str:
    return (
        f"Id={name}\nLoadState=loaded\nActiveState={state}\nSubState=x\nTransient=no\n"
        f"FragmentPath=/usr/lib/systemd/system/{file or name}\n"
        f"ActiveEnterTimestampMonotonic=9\nStateChangeTimestampMonotonic=9\nWantedBy=multi-user.target\n{more}"
    )


def said(*blocks: str, named: tuple[str, ...] = (), caused: bool = False) -> str:
    agent = "Id=bakery-agent.service\nActiveEnterTimestampMonotonic=5\n"
    answer = Answer(0, "\n".join((agent, *blocks)), "")
    verdict = probe(SHIPPED, named, caused=caused).judge(answer)
    assert verdict.final
    assert verdict.holds == (not verdict.detail)
    return verdict.detail


@pytest.mark.parametrize("state", ["active", "inactive"])
def test_who_conflicts_with_a_unit_has_stopped_it_even_if_it_is_back(state: str) -> None:
    stopped = unit(state, "ConflictedBy=shutdown.target app.service\n")
    for caused in (True, False):
        detail = said(stopped, STARTED, caused=caused)
        assert "was stopped by app.service, which has Conflicts=dbus.service; it is " in detail
        assert "units: [{name: dbus.service, state: inactive}]" in detail


def test_who_was_not_started_has_stopped_nothing() -> None:
    assert said(unit("active", "ConflictedBy=app.service\n"), "Id=app.service\n") == ""


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (unit("inactive"), "the journal does not say by whom"),
        (unit("failed"), "dbus.service ran, and failed"),
        (unit("inactive", "BindsTo=app.service\n"), "to which dbus.service has BindsTo="),
        (unit("active", "BindsTo=app.service\n"), ""),  # it was restarted
        (unit("active"), ""),
        (unit("inactive", "StopWhenUnneeded=yes\n"), ""),
        (unit("inactive", "WantedBy=\n"), ""),  # nobody misses it
        (unit("inactive", "Transient=yes\n"), ""),
        (unit("inactive", "LoadState=not-found\n"), ""),  # of images that are gone
        (unit("failed", "ActiveEnterTimestampMonotonic=0\n"), ""),  # the journal says so
        (unit("inactive", "StateChangeTimestampMonotonic=4\n"), ""),  # before the images came
        (unit("inactive", file="app-setup@.service"), ""),
    ],
)
def test_a_unit_that_is_down_was_up_and_is_missed(facts: str, words: str) -> None:
    detail = said(facts, STARTED)
    assert (words in detail) if words else detail == ""


def test_what_commands_stop_and_what_is_expected_is_no_matter() -> None:
    assert said(unit("inactive"), STARTED, caused=True) == ""
    assert said(unit("inactive"), STARTED, named=("dbus.service",)) == ""
    assert said("") == ""
