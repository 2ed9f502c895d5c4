"""What can be wrong with an image that has partitions."""

from __future__ import annotations

from bakery.errors import BakeryError


class VerityError(BakeryError):
    """An image's partitions, hash tree or signature can't be made, or are not as they must be."""
