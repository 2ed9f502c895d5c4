from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from markdown_it import MarkdownIt

from bakery.boot.waiver import WaivedBoot
from bakery.image.manifest import ManifestEntry
from bakery.release import document, notes

if TYPE_CHECKING:
    from harness.shop import Shop
    from markdown_it.token import Token

    from bakery.image.manifest import Manifest

HOSTILE = (
    "[click](https://evil.example)",
    "`<img src=x onerror=alert(1)>",
    "a | b",
    "line\n# heading",
    "\x1b[2J\u202egnp",
    "![x](https://evil.example/x.png)",
)


def flat(tokens: list[Token]) -> list[Token]:
    return [each for token in tokens for each in (token, *flat(token.children or []))]


def test_names_of_others_become_neither_links_nor_html(shop: Shop) -> None:
    described = document.decode(shop.assembled("v1.1.0")["release.json"])
    described = msgspec.structs.replace(
        described,
        summary="[click](https://evil.example) <script>",
        waived_boots=(
            WaivedBoot(image="www.evil.example", machines=("<b>",), reason="www.evil.example <b>"),
        ),
        assets=tuple(
            msgspec.structs.replace(described.assets[0], url=f"https://example.com/{text}")
            for text in ("a|b", "`<img>`", ")[x](https://evil.example)")
        ),
    )
    entries = tuple(
        ManifestEntry(path=f"usr/share/{text}", type="file", mode=0o644) for text in HOSTILE
    )
    images = [
        replace(each, manifest=msgspec.structs.replace(each.manifest, entries=entries))
        for each in shop.finished("v1.1.0")
    ]
    published: dict[str, Manifest] = {each.image.contents.arch: each.manifest for each in images}
    for before in ({}, published):
        other = [replace(images[0], manifest=shop.finished("v1.1.0")[0].manifest)]
        made = notes.write(described, other if before else images, "v1", before).decode()
        assert made.replace("\n", "").isprintable()
        tokens = flat(MarkdownIt("commonmark", {"html": True}).enable("table").parse(made))
        links = [str(t.attrs["href"]) for t in tokens if t.type == "link_open"]
        assert len(links) == 4
        assert not [each for each in links if not each.startswith("https://example.com/")]
        assert not [t.type for t in tokens if t.type in ("html_inline", "html_block", "image")]
        headings = [t for t in tokens if t.type == "heading_open"]
        assert len(headings) == (3 if before else 4)
        assert [t.type for t in tokens].count("td_open") == 2 * 4 + 3 * 3
