"""A recipe's README as HTML, for its extension's page.

Nothing in it becomes markup of its own, and nothing is loaded: images are shown as what they say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from itertools import chain, count
from posixpath import normpath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from markdown_it.token import Token

    from bakery.recipe.load import Source

_SCROLLED = '<div class="scroll" tabindex="0" role="region" aria-label="Table">'


@dataclass(frozen=True)
class Place:
    """Where links of a README lead.

    Attributes:
        name: the recipe's.
        repository: the address of the recipes' repository; empty if nobody knows.
        known: the extensions that have pages.

    """

    name: str
    repository: str
    known: Collection[str]

    def address(self, target: str, ids: Collection[str]) -> str | None:
        """Return where a link leads from the extension's page; None for nowhere.

        Args:
            target: where it leads from the README.
            ids: of the README's headings.

        """
        if urlsplit(target).scheme or target.startswith("//"):
            return target
        path, _, part = target.partition("#")
        if not path:
            return f"#{_id(part)}" if _id(part) in ids else None
        whole = normpath(f"recipes/{self.name}/{path}")
        other = re.fullmatch(r"recipes/([^/]+)(?:/README\.md)?", whole)
        if other and other[1] in self.known:
            return f"../{other[1]}/index.html#{_id(part) if part else 'readme'}"
        anchor = f"#{part}" if part else ""
        return f"{self.repository}/blob/main/{whole}{anchor}" if self.repository else None


def html(source: Source | None, repository: str, known: Collection[str]) -> str:
    """Return a README without its heading; empty where there is none.

    Args:
        source: the recipe; None if there is none.
        repository: the address of the recipes' repository; empty if nobody knows.
        known: the extensions that have pages.

    """
    if source is None or not (path := source.folder / "README.md").is_file():
        return ""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("image", _image)
    tokens = parser.parse(path.read_text("utf-8", "replace"))
    while tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        del tokens[:3]
    ids = _name_headings(tokens)
    place = Place(source.name, repository, known)
    for token in tokens:
        token.children = [*_led(token.children or (), place, ids)]
    text: str = parser.renderer.render(tokens, parser.options, {})
    text = text.replace("<pre>", '<pre tabindex="0">')
    return text.replace("<table>", f"{_SCROLLED}<table>").replace("</table>", "</table></div>")


def _name_headings(tokens: Sequence[Token]) -> set[str]:
    """Give headings the names that GitHub links them by, and put them below the page's own."""
    ids: set[str] = set()
    for number, token in enumerate(tokens):
        if token.type.startswith("heading"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
        if token.type == "heading_open":
            words = re.sub(r"[^\w\- ]", "", tokens[number + 1].content).strip().lower()
            name = _id(words.replace(" ", "-"))
            names = chain([name], (f"{name}-{more}" for more in count(1)))
            token.attrs["id"] = free = next(each for each in names if each not in ids)
            ids.add(free)
    return ids


def _id(part: str) -> str:
    """Return the name of a heading on the page, which has others of its own."""
    return f"readme-{part}"


def _led(tokens: Sequence[Token], place: Place, ids: Collection[str]) -> Iterator[Token]:
    """Yield tokens whose links lead somewhere; of others the text stays."""
    opened = []
    for token in tokens:
        if token.type == "link_open":
            address = place.address(str(token.attrs.get("href", "")), ids)
            opened.append(address is not None)
            if address is not None:
                token.attrs["href"] = address
                yield token
        elif token.type != "link_close" or opened.pop():
            yield token


def _image(_: Any, tokens: Sequence[Token], at: int, *__: Any) -> str:
    return escape(tokens[at].content)
