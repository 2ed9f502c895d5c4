"""Characters that act on terminals, end lines or can't be seen: found, and shown escaped.

They are Unicode's categories Cc, Cf, Zl and Zp: control characters, such as ESC; format characters,
such as those that turn the direction of text; and the separators of lines and paragraphs. Lone
surrogates, which can't be written at all, count as well.
"""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def hidden_at(text: str, allowed: str = "") -> int | None:
    """Return where the first such character stands, but for those in `allowed`; None if nowhere."""
    if text.isprintable():
        return None
    for index, character in enumerate(text):
        if character not in allowed and unicodedata.category(character) in _HIDDEN:
            return index
    return None


def visible(text: str, allowed: str = "") -> str:
    r"""Return a text with such characters written as `\x1b`, but for those in `allowed`."""
    if hidden_at(text, allowed) is None:
        return text
    return "".join(
        character if hidden_at(character, allowed) is None else ascii(character)[1:-1]
        for character in text
    )


def hidden_text(value: object) -> str | None:
    """Return the first text in plain data, keys included, that has such a character."""
    match value:
        case str():
            return value if hidden_at(value) is not None else None
        case dict():
            value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        return next((text for item in value if (text := hidden_text(item)) is not None), None)
    return None
