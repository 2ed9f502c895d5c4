"""What can go wrong when upstream is asked."""

from __future__ import annotations

from bakery.errors import BakeryError


class UpstreamError(BakeryError):
    """Upstream, or what stands for it, does not answer as it should."""


class NotFoundError(UpstreamError):
    """Upstream has nothing at an address."""
