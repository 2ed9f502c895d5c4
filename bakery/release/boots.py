"""A boot that an image has passed."""

from __future__ import annotations

import msgspec


class Boot(msgspec.Struct, frozen=True, kw_only=True):
    """A boot that an image has passed, as these very bytes.

    Attributes:
        machine: what it ran on, such as `nspawn:trixie`.
        systemd: the version, and its package's.
        checks: how many things were looked at and found good.
        journal_sha256: digest of the system's journal.

    """

    machine: str
    systemd: str
    checks: int
    journal_sha256: str
