"""Pages as browsers take them: links, identifiers and text."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VOID = {"meta", "link", "input", "br", "hr", "img"}


class Page(HTMLParser):
    """A page's links, identifiers and text; its elements must be nested."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self.feed(path.read_text("utf-8"))
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert tag != "script" or found["src"]
        self.links += [found[key] or "" for key in ("href", "src") if key in found]
        if "id" in found:
            assert found["id"] not in self.ids
            self.ids.add(found["id"] or "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def pages(site: Path) -> dict[Path, Page]:
    """Return the pages of a site, by path."""
    return {path: Page(path) for path in site.rglob("*.html")}


def broken(found: Mapping[Path, Page]) -> list[tuple[str, str]]:
    """Return the links of pages that lead to no file or no part of a page, each with its page."""
    return [
        (str(path), link)
        for path, page in found.items()
        for link in page.links
        if not link.startswith(("https://", "http://")) and not _leads(path, link, found)
    ]


def _leads(path: Path, link: str, found: Mapping[Path, Page]) -> bool:
    target, _, part = link.partition("#")
    file = (path.parent / target).resolve() if target else path
    return file.is_file() and (not part or part in found[file].ids)
