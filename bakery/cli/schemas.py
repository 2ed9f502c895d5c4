"""The JSON Schemas of the formats that editors and consumers read, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def _recipe() -> Any:
    from bakery.recipe import schema
    from bakery.recipe.model import Recipe

    return schema.document(Recipe)


def _release() -> Any:
    import msgspec

    from bakery.release.document import ReleaseDocument

    return msgspec.json.schema(ReleaseDocument)


def _site() -> Any:
    import msgspec

    from bakery.site.index import SiteIndex

    return msgspec.json.schema(SiteIndex)


_DOCUMENTS: dict[str, Callable[[], Any]] = {"recipe": _recipe, "release": _release, "site": _site}

NAMES = tuple(_DOCUMENTS)


def text(name: str) -> str:
    """Return a schema as JSON text."""
    import msgspec

    encoded = msgspec.json.encode(_DOCUMENTS[name](), order="sorted")
    return msgspec.json.format(encoded, indent=2).decode() + "\n"
