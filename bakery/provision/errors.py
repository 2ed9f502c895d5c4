"""The error of this room."""

from __future__ import annotations

from bakery.errors import BakeryError


class ProvisionError(BakeryError):
    """A host can't be given what was asked for."""
