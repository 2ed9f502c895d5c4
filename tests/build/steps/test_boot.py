from __future__ import annotations

import msgspec

from bakery.boot.report import BootReport, ProbeResult, Round
from bakery.build.state import Record
from bakery.build.steps.boot import Booted, recorded
from bakery.release.boots import Boot, Held


def test_boots_are_read_as_they_were_recorded() -> None:
    result = ProbeResult(title="it is merged", passed=True)
    each = Round(images=("tool",), merged=("tool",), results=(result, result))
    report = BootReport(
        backend="nspawn",
        system="trixie",
        systemd="257 (257.8-1)",
        rounds=(each,),
        journal_sha256="1" * 64,
    )
    facts = Booted(boots=(recorded(report),), sha256="1" * 64)
    record = Record(key="k", outputs=(), seconds=1, facts=facts)
    read = msgspec.json.decode(msgspec.json.encode(record), type=Record[Booted])
    assert read.facts.boots == (
        Boot(
            machine="nspawn:trixie",
            systemd="257 (257.8-1)",
            checks=2,
            held=(Held(title="it is merged", seconds=0),) * 2,
            journal_sha256="1" * 64,
        ),
    )
