"""A file that a package index offers under a name that outlives its address."""

from __future__ import annotations

import msgspec


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A file on an index.

    Attributes:
        address: how locks call it: `pypi:PROJECT/FILENAME`, `npm:PACKAGE/FILENAME`.
        url: where the index keeps it now.
        digests: what the index says its digests are, as `ALGORITHM:HEX`; empty for nothing that
            counts.

    """

    address: str
    url: str
    digests: frozenset[str]
