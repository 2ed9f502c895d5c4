from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from harness.repository import Repository

from bakery.boot.report import BootReport, ProbeResult, Round
from bakery.build.state import Record
from bakery.build.steps.booted import Booted, recorded, shortfall
from bakery.recipe.load import load_all
from bakery.recipe.plan import releases
from bakery.release.boots import Boot, Held

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.recipe.plan import Image


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


MACHINES = ("nspawn:bookworm", "nspawn:trixie", "nspawn:forky")
VERSIONS = {"bookworm": "252 (252.39-1)", "trixie": "257 (257.8-1)", "forky": "262 (262-1)"}
CHECK = """\
listen: [tcp/80]
commands:
  - {run: other --version}
  - {run: other --new, systemd: '>= 257'}
  - {run: other --arm, arch: arm64}
"""
OLDER = (
    "the system boots",
    "other is merged",
    "tcp/80 is listened on",
    "command: other --version",
    "the journal has no errors",
    "the system powers off",
)
LINES = (*OLDER, "command: other --new")


def told(machine: str, lines: tuple[str, ...] | None = None, systemd: str | None = None) -> Boot:
    """Return a record of a boot on a machine, by default of all that must be in it."""
    suite = machine.partition(":")[2]
    titles = lines or (OLDER if suite == "bookworm" else LINES)
    held = tuple(Held(title=title, seconds=1) for title in titles)
    version = systemd or VERSIONS.get(suite, "255")
    return Boot(
        machine=machine, systemd=version, checks=len(held), held=held, journal_sha256="1" * 64
    )


def image(root: Path, check: str = CHECK, more: str = "") -> Image:
    """Return the image of a recipe, with this check.yaml and more in its recipe.yaml."""
    Repository(root)
    folder = root / "recipes/other"
    (folder / "check.yaml").write_text(check)
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text() + more)
    (release, _) = releases(load_all(root / "recipes")["other"])
    return release.images[0]


COMPLETE = tuple(told(machine) for machine in MACHINES)


@pytest.mark.parametrize(
    ("boots", "why"),
    [
        (COMPLETE, None),
        ((), "it was booted nowhere"),
        (COMPLETE[:2], "there is no boot on nspawn:forky"),
        ((*COMPLETE, COMPLETE[0]), "there is a boot on nspawn:bookworm, which nobody asked for"),
        ((*COMPLETE[:2], told("qemu:forky")), "there is no boot on nspawn:forky"),
        ((*COMPLETE[:2], told("nspawn:sid")), "there is no boot on nspawn:forky"),
        (
            (*COMPLETE[:2], told("nspawn:forky", systemd="252 (252.39-1)")),
            "nspawn:forky has no systemd 252 (252.39-1)",
        ),
        (
            (told("nspawn:bookworm", systemd="unknown"), *COMPLETE[1:]),
            "nspawn:bookworm has no systemd unknown",
        ),
        (
            (*COMPLETE[:2], told("nspawn:forky", OLDER)),
            "on nspawn:forky nobody saw that command: other --new",
        ),
        (
            (*COMPLETE[:2], told("nspawn:forky", LINES[1:])),
            "on nspawn:forky nobody saw that the system boots",
        ),
        (
            (msgspec.structs.replace(COMPLETE[0], checks=90), *COMPLETE[1:]),
            "on nspawn:bookworm other checks are counted than told of",
        ),
    ],
)
def test_a_record_of_boots_has_every_machine_and_every_line(
    tmp_path: Path, boots: tuple[Boot, ...], why: str | None
) -> None:
    assert shortfall(image(tmp_path), [], MACHINES, boots) == why


def test_what_is_asked_for_by_other_names_is_on_record_by_its_own(tmp_path: Path) -> None:
    virtual = image(tmp_path, f"machine: vm\n{CHECK}")
    machines = ("nspawn:trixie", "flatcar:disks/trixie", "flatcar:https://flatcar.example/x.img")
    boots = [told("qemu:trixie"), told("qemu:flatcar"), told("qemu:flatcar")]
    assert shortfall(virtual, [], machines, boots) is None
    assert shortfall(virtual, [], machines, boots[:2]) == "there is no boot on qemu:flatcar"


@pytest.mark.parametrize(
    ("os", "passed"),
    [
        ("{id: debian, version: '13'}", ["nspawn:trixie"]),
        ("{id: debian, version: '13'}", ["nspawn:trixie", "nspawn:forky"]),  # before its release
        ("{id: flatcar, level: '1.0'}", ["qemu:flatcar"]),
    ],
)
def test_machines_that_an_image_is_not_for_need_no_boot(
    tmp_path: Path, os: str, passed: list[str]
) -> None:
    machines = (*MACHINES, "flatcar:disk")
    special = image(tmp_path, more=f"os: {os}\n")
    assert shortfall(special, [], machines, [told(each) for each in passed]) is None
    assert shortfall(special, [], machines, []) == "it was booted nowhere"
    wrong = [told("nspawn:bookworm"), *map(told, passed)]
    assert shortfall(special, [], machines, wrong) is not None


def test_where_all_boots_are_waived_there_are_none(tmp_path: Path) -> None:
    assert shortfall(image(tmp_path), [], (), []) is None
    assert shortfall(image(tmp_path / "again"), [], (), COMPLETE) is not None
