"""Markdown of texts by others: nothing in them becomes markup, a link or HTML.

GitHub Flavored Markdown, as release notes, pull requests and step summaries show it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bakery.characters import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"[\\`*_\[\]<>&~:#]|(?<=www)\.", re.IGNORECASE)
_TICKS = re.compile("`+")
_UNSAFE = re.compile(r"[^!#$%&'*+,/:;=?@A-Za-z0-9._~-]")  # in an address


def escape(text: str) -> str:
    """Return Markdown that shows a text within a line, and addresses in it as no links."""
    return _SPECIAL.sub(r"\\\g<0>", visible(text))


def code(text: str) -> str:
    """Return Markdown that shows a text within a line as code."""
    shown = visible(text)
    fence = "`" * (_longest_run(shown) + 1)
    pad = " " if shown.startswith(("`", " ")) or shown.endswith(("`", " ")) else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def link(url: str, text: str | None = None) -> str:
    """Return a link to an address of http or https; other addresses are shown as code.

    What is shown is a text in Markdown, or the address.
    """
    if not url.startswith(("https://", "http://")):
        return code(url)
    quoted = _UNSAFE.sub(lambda found: "".join(f"%{b:02X}" for b in found[0].encode()), url)
    return f"<{quoted}>" if text is None else f"[{text}]({quoted.replace('&', '&amp;')})"


def block(text: str) -> str:
    """Return Markdown that shows lines as they are."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}text\n{visible(text, allowed=chr(10))}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; its cells are Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    cells = ([cell.replace("|", "\\|") for cell in row] for row in lines)
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def text_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; its cells are texts."""
    return table(head, [[escape(cell) for cell in row] for row in rows])


def _longest_run(text: str) -> int:
    return max(map(len, _TICKS.findall(text)), default=0)
