from __future__ import annotations

import msgspec
import pytest

from bakery.boot.report import BootReport, ProbeResult, Round
from bakery.build.sharing import Part
from bakery.build.state import Record
from bakery.build.steps.boot import Booted, _fits, recorded
from bakery.release.boots import Boot, Held
from bakery.remote.model import Blob


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


MACHINES = ("nspawn:bookworm", "nspawn:trixie")


@pytest.mark.parametrize(
    ("passed", "fit"),
    [
        (["nspawn:bookworm", "nspawn:trixie"], True),
        (["qemu:trixie"], True),  # where check.yaml asks for a virtual machine
        ([], False),
        (["nspawn:forky"], False),
        (["nspawn:trixie"] * 3, False),
    ],
)
def test_boots_from_elsewhere_are_of_the_machines_that_are_asked_for(
    passed: list[str], *, fit: bool
) -> None:
    boots = tuple(Boot(machine=each, systemd="1", checks=1, journal_sha256="") for each in passed)
    parts = [Part(name="x.raw", blob=Blob(sha256="1" * 64, size=1))]
    assert _fits(MACHINES, Booted(boots=boots, sha256="1" * 64), parts) == fit
    assert not _fits(MACHINES, Booted(boots=boots, sha256="2" * 64), parts)


def test_where_all_boots_are_waived_there_are_none() -> None:
    parts = [Part(name="x.raw", blob=Blob(sha256="1" * 64, size=1))]
    assert _fits((), Booted(boots=(), sha256="1" * 64), parts)
