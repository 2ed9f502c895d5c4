"""What goes wrong with releases."""

from __future__ import annotations

from bakery.errors import BakeryError


class ReleaseError(BakeryError):
    """A release can't be made, or what is published is not what it should be."""
