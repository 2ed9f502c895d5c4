"""The JSON Schemas that editors and consumers use, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def _recipe() -> Any:
    from bakery.recipe import schema  # noqa: PLC0415  not for `bakery --help`
    from bakery.recipe.model import Recipe  # noqa: PLC0415  with it

    return schema.document(Recipe)


def _release() -> Any:
    import msgspec  # noqa: PLC0415  not for `bakery --help`

    from bakery.release.document import ReleaseDocument  # noqa: PLC0415  with it

    return msgspec.json.schema(ReleaseDocument)


_DOCUMENTS: dict[str, Callable[[], Any]] = {"recipe": _recipe, "release": _release}

NAMES = tuple(_DOCUMENTS)


def text(name: str) -> str:
    """Return a schema as JSON text."""
    import msgspec  # noqa: PLC0415  not for `bakery --help`

    encoded = msgspec.json.encode(_DOCUMENTS[name](), order="sorted")
    return msgspec.json.format(encoded, indent=2).decode() + "\n"
