"""What can go wrong between upstream and the store."""

from __future__ import annotations

from bakery.errors import BakeryError


class StoreError(BakeryError):
    """The store's folder can't be read or written."""


class StoreFullError(StoreError):
    """The disk below the store has no room for an asset; what arrived is kept and continued."""


class DownloadError(BakeryError):
    """An asset could not be had from any place that offers it."""


class OfflineError(DownloadError):
    """An asset is not in the store, and the settings forbid asking the network for it."""


class WrongBytesError(DownloadError):
    """A place answered with other bytes than the lock pins."""
