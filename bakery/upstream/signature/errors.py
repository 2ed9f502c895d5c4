"""What can be wrong with a signature."""

from __future__ import annotations

from bakery.errors import BakeryError


class SignatureError(BakeryError):
    """A signature does not hold, or is not by who the recipe names."""


class MissingLibraryError(BakeryError):
    """A library that only signatures need is not installed."""

    def __init__(self, library: str) -> None:
        super().__init__(
            f"signatures of this kind need the Python library {library}",
            fix="pip install 'sysext-bakery[signatures]'",
        )
