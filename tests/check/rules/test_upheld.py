"""Rules about units that targets uphold."""

from __future__ import annotations

from typing import Any

import pytest

from bakery.check.command import check_path
from bakery.check.subject import Context

SERVICE = "usr/lib/systemd/system/demo.service"
DROP_IN = f"{SERVICE}.d/10-demo.conf"


def found(good: Any, **context: Any) -> list[tuple[str, str, str]]:
    findings = check_path(good.root, Context(**context))[0].findings
    assert {each.rule for each in findings} <= {"start-repeated"}
    return [(each.severity, each.path, each.message) for each in findings]


@pytest.mark.parametrize("stays", ["yes", "true", "1", "On"])
def test_a_oneshot_that_stays_is_started_once(good: Any, stays: str) -> None:
    good.edit(SERVICE, "[Service]", "[Service]\nType=oneshot")
    ((severity, path, _),) = found(good)
    assert (severity, path) == ("error", SERVICE)
    good.file(DROP_IN, f"[Service]\nRemainAfterExit={stays}\n")
    assert found(good) == []
    good.file(DROP_IN, "[Service]\nRemainAfterExit=no\n")
    assert len(found(good)) == 1


def test_a_oneshot_that_nothing_upholds_may_end(good: Any) -> None:
    good.file(
        "usr/lib/systemd/system/demo-clean.service",
        "[Service]\nType=oneshot\nExecStart=/bin/true\n",
    )
    good.file("usr/lib/systemd/system/demo.service.d/10.conf", "[Unit]\nWants=demo-clean.service\n")
    assert found(good) == []
    assert len(found(good, start=("demo-clean.service",))) == 1


def test_an_instance_is_judged_by_its_template(good: Any) -> None:
    good.file(
        "usr/lib/systemd/system/one@.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n"
    )
    ((_, path, message),) = found(good, start=("one@a.service",))
    assert path == "usr/lib/systemd/system/one@.service"
    assert "one@a.service has Type=oneshot" in message


@pytest.mark.parametrize(
    "condition",
    ["ConditionPathExists=/etc/demo.toml", "ConditionVirtualization=kvm", "AssertPathExists=|/srv"],
)
def test_a_condition_that_need_not_hold_is_tried_for_ever(good: Any, condition: str) -> None:
    good.file(DROP_IN, f"[Unit]\n{condition}\n")
    ((severity, path, message),) = found(good)
    assert (severity, path) == ("warning", DROP_IN)
    assert condition in message


@pytest.mark.parametrize(
    "conditions",
    [
        "ConditionPathExists=/usr/share/demo/config.toml",
        "ConditionFileIsExecutable=/bin/sh",
        "ConditionVirtualization=kvm\nConditionPathExists=",
    ],
)
def test_conditions_that_hold_on_every_host(good: Any, conditions: str) -> None:
    good.file(DROP_IN, f"[Unit]\n{conditions}\n")
    assert found(good) == []
