"""Why a site can't be made."""

from __future__ import annotations

from bakery.errors import BakeryError


class SiteError(BakeryError):
    """The site can't be made."""
