"""The JSON Schemas that editors and consumers use, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bakery.recipe import schema
from bakery.recipe.model import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable


def _release() -> dict[str, Any]:
    from bakery.release.document import ReleaseDocument  # noqa: PLC0415  one schema at a time

    return msgspec.json.schema(ReleaseDocument)


_DOCUMENTS: dict[str, Callable[[], Any]] = {
    "recipe": lambda: schema.document(Recipe),
    "release": _release,
}

NAMES = tuple(_DOCUMENTS)


def text(name: str) -> str:
    """Return a schema as JSON text."""
    encoded = msgspec.json.encode(_DOCUMENTS[name](), order="sorted")
    return msgspec.json.format(encoded, indent=2).decode() + "\n"
