"""The files of the site, as text: pages, feeds, and indexes for programs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from bakery.arch import ARCHITECTURES
from bakery.registry.reference import SCHEME, tag_of
from bakery.site import index, pictures, views
from bakery.site.clients import Clients
from bakery.site.configurations import FORMS, WAYS
from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    import jinja2

    from bakery.site.published import Edition
    from bakery.site.run import Run
    from bakery.site.views import Extension

_TEMPLATES = Path(__file__).with_name("templates")
_PLAIN = ("style.css", "site.js", "icon.svg")
_NEWEST = 50  # entries of a feed
_NEVER = "1970-01-01"


@dataclass(frozen=True, kw_only=True)
class Site:
    """What is the same on every page.

    Attributes:
        title: what the catalogue is called.
        summary: one sentence about it.
        url: the address that it will have, without a slash at the end; empty if nobody knows.
        source: the address of its recipes; empty if nobody knows.
        fedora: the releases of Fedora whose hosts may use sysexts-manager, as their VERSION_ID.
        run: what the last run did; None if nobody says.

    """

    title: str = "System extensions"
    summary: str = (
        "systemd-sysext images for immutable Linux systems, each of which has been booted"
    )
    url: str = ""
    source: str = ""
    fedora: tuple[str, ...] = ("43", "44", "45")
    run: Run | None = None


@dataclass(frozen=True)
class Renderer:
    """Writes the files of a site about some extensions."""

    site: Site
    extensions: Sequence[Extension]

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the path of every file below the site's root, and its bytes."""
        for name in _PLAIN:
            yield name, (_TEMPLATES / name).read_bytes()
        yield from ((name, text.encode()) for name, text in self._texts())
        yield "bakery.json", index.catalogue(self.extensions)
        for each in self.extensions:
            yield f"{each.name}/index.json", index.extension(each)
        yield from Clients(self.site, self.extensions).files()

    def _texts(self) -> Iterator[tuple[str, str]]:
        pages = ["index.html", "status.html", "programs.html"]
        yield "index.html", self._page("index.html", **self._front())
        yield "status.html", self._page("status.html", **self._status())
        example = min((each.name for each in self.extensions), key=len)
        yield "programs.html", self._page("programs.html", page="programs.html", example=example)
        known = {each.name for each in self.extensions}
        for each in self.extensions:
            page = f"{each.name}/index.html"
            pages.append(page)
            yield (
                page,
                self._page(
                    "extension.html", page=page, it=each, forms=FORMS, ways=WAYS, known=known
                ),
            )
            if each.changes:
                page = f"{each.name}/changes.html"
                pages.append(page)
                yield page, self._page("changes.html", page=page, it=each)
            for choice in each.choices:
                for form in choice.forms:
                    yield f"{each.name}/{choice.file(form)}", choice.text(form)
            entries = [(each.name, edition) for edition in each.editions]
            yield f"{each.name}/feed.atom", self._feed(f"{each.name}/feed.atom", each.name, entries)
        everything = [(each.name, edition) for each in self.extensions for edition in each.editions]
        yield "feed.atom", self._feed("feed.atom", self.site.title, everything)
        yield "robots.txt", self._robots()
        if self.site.url:
            yield "sitemap.xml", self._sitemap(pages)

    def _front(self) -> dict[str, Any]:
        by_name = {each.name: each for each in self.extensions}
        return {
            "page": "index.html",
            "extensions": self.extensions,
            "tiers": _known(each.newest.document.tier for each in self.extensions),
            "archs": _known(arch for each in self.extensions for arch in each.archs),
            "hosts": _known(each.hosts for each in self.extensions if each.hosts != "any host"),
            "dependencies": pictures.dependencies(
                views.edges(by_name), "What extensions have to do with each other"
            ),
        }

    def _status(self) -> dict[str, Any]:
        editions = [edition for each in self.extensions for edition in each.editions]
        return {
            "page": "status.html",
            "extensions": self.extensions,
            "releases": len(editions),
            "images": sum(len(edition.document.images) for edition in editions),
            "newest": max(filter(None, (edition.day for edition in editions)), default=None),
            "channels": [
                (each, channel) for each in self.extensions for channel in each.publication.channels
            ],
            "waived": [
                (each, str(waived))
                for each in self.extensions
                for waived in each.newest.document.waived_boots
            ],
            "run": self.site.run,
        }

    def _page(self, template: str, *, page: str, **what: Any) -> str:
        return self._environment.get_template(template).render(
            site=self.site, page=page, root=_root(page), **what
        )

    def _feed(self, page: str, title: str, entries: Sequence[tuple[str, Edition]]) -> str:
        ordered = sorted(entries, key=lambda each: str(each[1].day or _NEVER), reverse=True)[
            :_NEWEST
        ]
        days: list[date] = [edition.day for _, edition in ordered if edition.day]
        template = self._environment.get_template("feed.atom")
        return template.render(
            site=self.site,
            page=page,
            root=_root(page),
            title=title,
            id=f"{self.site.url or self.extensions[0].publication.url}/{page}",
            updated=max(days, default=_NEVER),
            entries=ordered,
        )

    def _robots(self) -> str:
        text = "User-agent: *\nAllow: /\n"
        return text + (f"Sitemap: {self.site.url}/sitemap.xml\n" if self.site.url else "")

    def _sitemap(self, pages: Sequence[str]) -> str:
        listed = "".join(f"<url><loc>{self.site.url}/{quote(page)}</loc></url>\n" for page in pages)
        return (
            '<?xml version="1.0" encoding="utf-8"?>\n'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{listed}</urlset>\n'
        )

    @cached_property
    def _environment(self) -> jinja2.Environment:
        import jinja2

        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals.update(address=address, pull=pull, size=format_size)
        return environment


def address(edition: Edition, name: str) -> str:
    """Return the address of a file of a release."""
    return f"{edition.url}/{quote(name)}"


def pull(edition: Edition) -> str:
    """Return how an image of a release is pulled from a registry; empty where it is elsewhere."""
    repository, _, name = edition.url.rpartition("/")
    if not repository.startswith(SCHEME):
        return ""
    arch = ARCHITECTURES[edition.document.images[0].arch].debian
    place = f"{repository.removeprefix(SCHEME)}:{tag_of(unquote(name))}"
    return f"oras pull --platform linux/{arch} {place}"


def _root(page: str) -> str:
    """Return how a page leads to the root of the site."""
    return "../" * page.count("/")


def _known(found: Iterator[str]) -> list[str]:
    return sorted(set(found))
