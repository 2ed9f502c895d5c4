"""Web pages whose links name versions, such as a web server's listing of a folder."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import suppress
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bakery.http.address import split
from bakery.recipe.policy import Published

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.recipe.upstreams import ListingUpstream
    from bakery.upstream.api import Api

_DATE = re.compile(r"\b(\d{4}-\d\d-\d\d|\d\d-[A-Z][a-z]{2}-\d{4})\b")
_FORMATS = ("%Y-%m-%d", "%d-%b-%Y")


class Page(HTMLParser):
    """A page, as its links.

    Attributes:
        links: for every link its attributes, and the text from it to the next one.

    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[tuple[dict[str, str | None], list[str]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down a link."""
        if tag == "a":
            self.links.append((dict(attrs), []))

    def handle_data(self, data: str) -> None:
        """Take down the text behind a link."""
        if self.links:
            self.links[-1][1].append(data)


def versions(upstream: ListingUpstream, api: Api) -> Iterator[Published]:
    """Yield what the pattern finds at the end of the page's links.

    A date between a link and the next one, as Apache, nginx and S3's listings have, is its date.

    Raises:
        UpstreamError: the page can't be had.

    """
    ending = re.compile(rf"(?:^|/)(?:{upstream.pattern})/?$")
    for attributes, texts in Page(api.get(upstream.listing, accept="text/html, */*").text).links:
        path = unquote(split(attributes.get("href") or "").path)
        if match := ending.search(path):
            yield Published(match["version"], date=_day(" ".join(texts)))


def _day(text: str) -> dt.date | None:
    for day in _DATE.findall(text):
        for form in _FORMATS:
            with suppress(ValueError):
                return dt.datetime.strptime(day, form).replace(tzinfo=dt.UTC).date()
    return None
