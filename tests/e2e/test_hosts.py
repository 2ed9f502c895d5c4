"""Hosts that heal: on booted systems, updates hold or go back, and nothing that ran is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.hosts import Publisher, booted, provision

from bakery.boot.debian import SUITES

if TYPE_CHECKING:
    from pathlib import Path

    from harness.openpgp import Person

# One system each time, the others each night
LONG = [
    pytest.param(suite, marks=[] if suite == "trixie" else [pytest.mark.nightly])
    for suite in SUITES
]
pytestmark = [
    pytest.mark.e2e,
    needs.ROOT,
    needs.programs("systemd-nspawn", "debootstrap", "mksquashfs", "gpg"),
]


@pytest.fixture
def publisher(tmp_path: Path, person: Person) -> Publisher:
    person.key(f"the publisher of {tmp_path.name}")
    made = Publisher(tmp_path / "site", tmp_path / "work", person)
    made.folder.mkdir()
    made.publish("app", "1.0")
    made.publish("other", "1.0")
    return made


@pytest.mark.parametrize("suite", LONG)
def test_updates_hold_or_go_back(suite: str, tmp_path: Path, publisher: Publisher) -> None:
    """A good one; one without release file; one that dies later; three bad ones in a row."""
    disk = tmp_path / "disk"
    provision(disk, publisher, "app", "other")
    with booted(suite, disk, publisher) as host:
        assert (host.runs("app"), host.runs("other")) == ("1.0", "1.0")
        others = host.holds("systemctl show --property=InvocationID other.service")
        publisher.publish("app", "2.0")
        assert host.update().stdout.splitlines() == [
            "extensions: other is up to date with 1.0",
            "extensions: app is 2.0 now, and was 1.0",
        ]
        assert host.runs("app") == "2.0"
        assert host.images("app") == ["1.0", "2.0"]

        publisher.publish("app", "3.0", damaged=True)
        merges = host.holds("systemd-sysext status --json=short")
        done = host.update()
        assert done.status == 1
        assert (
            "<3>extensions: app 3.0 does not merge, and is not taken again: "
            "it has no release file extension-release.app; 2.0 stays\n"
        ) in done.stdout
        assert host.holds("systemd-sysext status --json=short") == merges, "nothing was merged anew"
        assert host.update().status == 0, "it is not tried again"

        publisher.publish("app", "4.0", then="sleep 2; exit 3")
        done = host.update()
        assert done.status == 1
        assert "app 4.0 does not hold, and is not taken again: app.service" in done.stdout
        assert "back to 2.0" in done.stdout
        publisher.publish("app", "5.0", then="exit 3")
        done = host.update()
        assert done.status == 1
        assert host.runs("app") == "2.0"
        assert host.images("app") == ["1.0", "2.0"]
        told = host.status("app")
        assert (told["merged"], told["newest"]) == ("2.0", "5.0")
        assert told["shunned"] == ["3.0", "4.0", "5.0"]
        assert "app.service" in told["failed"]

        publisher.publish("app", "6.0")
        assert host.update().status == 0
        assert host.runs("app") == "6.0"
        assert host.images("app") == ["2.0", "6.0"]
        now = host.holds("systemctl show --property=InvocationID other.service")
        assert now == others, "nobody else was disturbed"
