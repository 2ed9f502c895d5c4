"""What is on record of an image's passed boots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from bakery.recipe.types import Decoded, OneLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bakery.boot.report import BootReport


class Boot(Decoded, frozen=True, kw_only=True):
    """A boot that an image has passed, as these very bytes.

    Attributes:
        machine: what it ran on, such as `nspawn:trixie`.
        systemd: the version, and its package's.
        checks: how many things were looked at and found good.
        journal_sha256: digest of the system's journal.

    """

    machine: OneLine
    systemd: OneLine
    checks: Annotated[int, msgspec.Meta(ge=0)]
    journal_sha256: Annotated[str, msgspec.Meta(pattern="^(?:[0-9a-f]{64})?$")]


def facts(reports: Iterable[BootReport]) -> dict[str, str]:
    """Return passed boots as the facts of a ledger's record."""
    boots = (
        Boot(
            machine=f"{report.backend}:{report.system}",
            systemd=report.systemd or "unknown",
            checks=sum(len(each.results) for each in report.rounds),
            journal_sha256=report.journal_sha256 or "",
        )
        for report in reports
    )
    return {boot.machine: msgspec.json.encode(boot).decode() for boot in boots}


def read(facts: Mapping[str, str | int]) -> tuple[Boot, ...]:
    """Return the boots that facts tell of; none if they can't be read."""
    try:
        return tuple(
            msgspec.json.decode(str(facts[machine]), type=Boot) for machine in sorted(facts)
        )
    except msgspec.DecodeError:
        return ()
