from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.recipe.template import (
    Field,
    FilePath,
    ImagePath,
    Template,
    UnknownPlaceholderError,
    Url,
)
from bakery.yaml.grammar import GrammarError

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,5}(\.bare)?", fullmatch=True)
PARTS = st.lists(st.one_of(st.text(max_size=5), NAMES.map(Field)), max_size=6)


def written(part: str | Field) -> str:
    if isinstance(part, Field):
        return f"{{{part.name}}}"
    return part.replace("{", "{{").replace("}", "}}")


@given(PARTS, st.data())
def test_what_is_written_is_what_is_expanded(parts: list[str | Field], data: st.DataObject) -> None:
    template = Template.parse("".join(map(written, parts)))
    names = {part.name for part in parts if isinstance(part, Field)}
    assert template.names == names
    values = {name: data.draw(st.text(max_size=4)) for name in names}
    assert template.expand(values) == "".join(
        values[part.name] if isinstance(part, Field) else part for part in parts
    )


@given(st.text(alphabet="{}ab.- \n", max_size=12))
def test_any_text_is_a_template_or_a_mistake_with_a_place(text: str) -> None:
    span = (0, 0)
    try:
        template = Template.parse(text)
    except GrammarError as error:
        span = error.span or span
    else:
        assert str(template) == text
        return
    first, behind = span
    assert text[first] in "{}"
    assert first < behind <= len(text)


@given(PARTS, NAMES)
def test_the_span_of_a_placeholder_is_where_it_stands(parts: list[str | Field], name: str) -> None:
    text = "".join(map(written, [*parts, Field(name)]))
    first, behind = Template.parse(text).span(name)
    assert text[first:behind] == f"{{{name}}}"


def test_a_missing_value_is_named() -> None:
    with pytest.raises(UnknownPlaceholderError, match=r"unknown placeholder \{arch\}"):
        Template.parse("a-{arch}").expand({"version": "1"})


def test_a_value_is_not_expanded_again() -> None:
    assert Template.parse("{a}{{b}}").expand({"a": "{b}", "b": "x"}) == "{b}{b}"


@pytest.mark.parametrize(
    "text", ["usr/bin/", "usr/", "opt/x", "usr/lib/{name}/..x", "usr/share/{{a}}", "usr/a b"]
)
def test_paths_in_an_image_are_read(text: str) -> None:
    assert str(ImagePath.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "usr",
        "/usr/bin",
        "etc/x",
        "usrx/y",
        "../usr/x",
        "usr/../etc",
        "usr/./x",
        "usr//x",
        "usr/x//",
        "{name}/x",
        "usr/{",
        "usr/a\tb",
        "usr/a\n",
    ],
)
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(GrammarError):
        ImagePath.parse(text)


def test_a_file_is_no_folder() -> None:
    assert str(FilePath.parse("usr/bin/app")) == "usr/bin/app"
    for text in ("usr/", "usr/bin/"):
        with pytest.raises(GrammarError, match="the path of a folder"):
            FilePath.parse(text)


@given(st.text(alphabet="./a", max_size=8), st.text(alphabet="./a", max_size=8))
def test_no_value_leads_out_of_the_image(one: str, two: str) -> None:
    template = ImagePath.parse("usr/share/{one}/{two}x")
    try:
        path = template.expand({"one": one, "two": two})
    except GrammarError:
        return
    assert path.startswith("usr/share/")
    assert not {"", ".", ".."} & set(path.split("/"))


@pytest.mark.parametrize("text", ["https://a/{b}", "http://a", "file:///srv/a", "{url}.sha256"])
def test_addresses_are_read(text: str) -> None:
    assert str(Url.parse(text)) == text


@pytest.mark.parametrize("text", ["", "a", "ftp://a", "//a", "{version}", "HTTPS://a"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(GrammarError):
        Url.parse(text)
