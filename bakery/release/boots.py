"""What is on record of an image, and told in its release: boots, and the cache it came from."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bakery.recipe.types import Decoded, OneLine

Fingerprint = Annotated[str, msgspec.Meta(pattern="^[0-9A-F]{40,64}$")]


class Held(Decoded, frozen=True, kw_only=True):
    """One thing that was looked at in a boot, and found good after some seconds."""

    title: OneLine
    seconds: Annotated[float, msgspec.Meta(ge=0)]


class Boot(Decoded, frozen=True, kw_only=True):
    """A boot that an image has passed, as these very bytes.

    Attributes:
        machine: what it ran on, such as `nspawn:trixie`.
        systemd: the version, and its package's.
        checks: how many things were looked at and found good.
        held: what these were.
        journal_sha256: digest of the system's journal.

    """

    machine: OneLine
    systemd: OneLine
    checks: Annotated[int, msgspec.Meta(ge=0)]
    held: tuple[Held, ...] = ()
    journal_sha256: Annotated[str, msgspec.Meta(pattern="^(?:[0-9a-f]{64})?$")]


class Origin(Decoded, frozen=True, kw_only=True, omit_defaults=True):
    """The shared cache that an image was taken from.

    Attributes:
        cache: its host, or its folder, as people call it.
        signed_by: the fingerprint of the trusted key that has vouched for it there; None where
            whoever took it believed the cache.

    """

    cache: OneLine
    signed_by: Fingerprint | None = None
