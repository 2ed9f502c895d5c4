"""What others have written stays text, by the word of a Markdown parser."""

from __future__ import annotations

from html import unescape
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bakery import markdown
from bakery.characters import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from markdown_it.token import Token

HOSTILE = (
    "[click](https://evil.example)",
    "![](https://evil.example/x.png)",
    "<script>alert(1)</script>",
    "<https://evil.example>",
    "https://evil.example www.evil.example",
    "`code` ``more``` `",
    "*bold* __bold__ ~~gone~~",
    "a | b |",
    "&lt;b&gt; &#42;",
    "\\*",
    "line\n\n# heading\n- item",
    "\x1b[2J\u202e\u2028",
    "[ref]: https://evil.example",
)
texts = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1)).filter(lambda t: t == t.strip())
PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def flat(tokens: Iterable[Token]) -> list[Token]:
    return [each for token in tokens for each in (token, *flat(token.children or ()))]


def parsed(text: str) -> list[Token]:
    return flat(PARSER.parse(text))


@given(texts.filter(bool))
def test_text_is_shown_as_it_is(text: str) -> None:
    tokens = parsed(f"x {markdown.escape(text)} x")
    assert {token.type for token in tokens} <= {
        *("paragraph_open", "paragraph_close", "inline", "text", "text_special"),
    }
    shown = "".join(token.content for token in tokens if token.type.startswith("text"))
    assert shown == f"x {visible(text)} x"


@given(texts.filter(bool))
def test_code_is_shown_as_it_is(text: str) -> None:
    tokens = parsed(f"x {markdown.code(text)}")
    assert [t.content for t in tokens if t.type == "code_inline"] == [visible(text)]
    assert not [t for t in tokens if t.type in ("html_inline", "link_open", "image")]


@given(texts, texts)
def test_cells_stay_in_their_columns(one: str, two: str) -> None:
    rows = [[markdown.code(one), markdown.code(two)], [markdown.escape(one), "end"]]
    tokens = parsed(markdown.table(["one", "two"], rows))
    assert [t.type for t in tokens].count("td_open") == 4
    assert [t.type for t in tokens].count("table_open") == 1
    assert [t.content for t in tokens if t.type == "code_inline"] == [visible(one), visible(two)]
    assert not [t for t in tokens if t.type in ("html_inline", "link_open", "image")]


@given(texts)
def test_a_block_ends_where_the_text_ends(text: str) -> None:
    tokens = parsed(f"{markdown.block(text)}\n\nafter")
    assert [t.type for t in tokens][:2] == ["fence", "paragraph_open"]
    assert tokens[0].content == visible(text, allowed="\n") + "\n"


@pytest.mark.parametrize("text", [None, "Upstream"])
@given(tail=st.text().filter(lambda t: not any(c.isspace() for c in t)))
def test_a_link_is_one_link(text: str | None, tail: str) -> None:
    tokens = parsed(f"x {markdown.link(f'https://example.com/{tail}', text)} x")
    links = [t for t in tokens if t.type == "link_open"]
    assert len(links) == 1
    assert str(links[0].attrs["href"]).startswith("https://example.com/")
    assert not [t for t in tokens if t.type in ("html_inline", "image", "em_open", "strong_open")]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "debian:bookworm/curl", "pypi:a/b", "file:/x"]
)
def test_other_addresses_are_no_links(url: str) -> None:
    tokens = parsed(markdown.link(url))
    assert [unescape(t.content) for t in tokens if t.type == "code_inline"] == [url]
    assert not [t for t in tokens if t.type == "link_open"]
