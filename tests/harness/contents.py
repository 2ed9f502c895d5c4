"""What an image is to hold: nothing, but for what a test is about."""

from __future__ import annotations

from typing import Any

from bakery.recipe.plan import Contents

_NOTHING: dict[str, Any] = {
    "os": None,
    "self_contained": False,
    "private_root": None,
    "values": {},
    **dict.fromkeys(("assets", "files", "templates", "write", "links", "edit", "drop"), ()),
    **dict.fromkeys(("modes", "start"), ()),
}


def contents(name: str, version: str, **more: Any) -> Contents:
    """Return what an image for x86-64 holds, unless `more` says otherwise."""
    return Contents(name=name, version=version, **{"arch": "x86-64", **_NOTHING, **more})
