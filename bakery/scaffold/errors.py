"""What goes wrong with new recipes."""

from __future__ import annotations

from bakery.errors import BakeryError


class NewRecipeError(BakeryError):
    """A recipe can't be made."""
