"""The error of this room."""

from __future__ import annotations

from bakery.errors import BakeryError


class ImageError(BakeryError):
    """An image can't be made: recipe and assets don't fit together, or a tree is not as staged."""
