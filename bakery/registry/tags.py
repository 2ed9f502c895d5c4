"""Names that registries take as tags: `+` is written `_` there, as Helm does it."""

from __future__ import annotations

import re

from bakery.registry.reference import TAG

_TAG = re.compile(TAG)


def tag_of(name: str) -> str:
    """Return the tag that a name has in a registry.

    It does not tell the name: `_` may have been `+`. What has the tag says the name.

    Raises:
        ValueError: no tag can stand for it; the text says why.

    """
    tag = name.replace("+", "_")
    if not _TAG.fullmatch(tag):
        raise ValueError("a registry's tags have at most 128 of A-Z a-z 0-9 . _ - (and + as _)")
    return tag


def fallback(digest: str) -> str:
    """Return the tag of the list of what refers to something, where a registry keeps no list."""
    return digest.replace(":", "-")
