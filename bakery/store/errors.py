"""What can go wrong between upstream and the store."""

from __future__ import annotations

from bakery.errors import BakeryError


class StoreError(BakeryError):
    """The store's folder can't be read or written."""


class DownloadError(BakeryError):
    """No source gives an asset, or the settings forbid asking."""


class WrongBytesError(DownloadError):
    """A source answered with other bytes than the lock pins."""
