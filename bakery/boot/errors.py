"""What keeps an image from being tried, whatever it is like."""

from __future__ import annotations

from bakery.errors import BakeryError


class MachineError(BakeryError):
    """A machine can't be made or started, whatever the images are like."""


class GuestError(BakeryError):
    """The booted system went silent, or went away."""
