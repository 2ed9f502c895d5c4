from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bakery.yaml.location import DocumentError
from bakery.yaml.reader import read

if TYPE_CHECKING:
    from pathlib import Path


def complaint(tmp_path: Path, data: bytes) -> str:
    file = tmp_path / "a.yaml"
    file.write_bytes(data)
    with pytest.raises(DocumentError) as caught:
        read(file)
    return caught.value.render().removeprefix(f"{file}")


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 200_000, "a: " + "{" * 50_000, "- " * 50_000, "? " * 50_000),
        "a: b & c\nd: " + "[" * 50_000,
        "a: " + "[" * 900,
    ],
)
def test_nothing_nests_deep_enough_to_crash(tmp_path: Path, text: str) -> None:
    assert "nested too deeply" in complaint(tmp_path, text.encode())


def test_a_mistake_in_a_long_text_is_no_depth(tmp_path: Path) -> None:
    text = "a:\n" + "  - [b]\n" * 2000 + "  - [c\n"
    assert complaint(tmp_path, text.encode()).startswith(":2002:5: this bracket is not closed")


def test_a_closed_nest_is_shown(tmp_path: Path) -> None:
    assert complaint(tmp_path, b"a: " + b"[" * 20 + b"]" * 20).startswith(
        ":1:19: this is nested too deeply"
    )


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    assert complaint(tmp_path, b"#" * (1 << 21)) == ": the file is larger than 1 MiB"


@pytest.mark.parametrize("sign", [b"\x00", b"\x07", b"\x1b"])
def test_a_control_character_is_shown_where_it_is(tmp_path: Path, sign: bytes) -> None:
    message = complaint(tmp_path, "a: Käse\nb: Käse".encode() + sign)
    assert message.startswith(":2:8: a text can't hold this control character")


@pytest.mark.parametrize(
    ("text", "where", "shown"),
    [
        ("a: x\u202ey", ":1:5", r"\u202e"),
        ("a: 1 # \u2066", ":1:8", r"\u2066"),
        ("a: x\u2028y", ":1:5", r"\u2028"),
        ("a: x\u200by", ":1:5", r"\u200b"),
        ("a: x\x85y", ":1:5", r"\x85"),
        (r'a: "x\e[31m"', ":1:", r"\x1b"),
        (r'"a\u202e": x', ":1:", r"\u202e"),
        (r'a: {b: ["\0"]}', ":1:", r"\x00"),
        (r'a: "\L"', ":1:", r"\u2028"),
    ],
)
def test_what_hides_is_shown(tmp_path: Path, text: str, where: str, shown: str) -> None:
    message = complaint(tmp_path, text.encode())
    assert message.startswith(where)
    assert f"a text can't hold this control character: {shown}" in message
    assert message.replace("\n", "").isprintable()


def test_texts_may_have_lines_and_tabs(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text('a: |\n  x\n  \ty\nb: "x\\ty\\nz"\n')
    assert [value.value for _, value in read(file).value] == ["x\n\ty\n", "x\ty\nz"]


def test_other_ends_of_lines(tmp_path: Path) -> None:
    assert complaint(tmp_path, b"a: x\r\nb: y\r\na: z\r\n").startswith(
        ':3:1: the key "a" stands here twice'
    )


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="this file is missing"):
        read(tmp_path / "a.yaml")
    with pytest.raises(DocumentError, match="can't be read: Is a directory"):
        read(tmp_path)


def test_an_ampersand_inside_a_text_is_no_anchor(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: https://example.org/?a=1&b=2\nb: x & y\n")
    assert len(read(file).value) == 2


@pytest.mark.parametrize("escape", [r"\UFFFFFFFF", r"\ud800", r"\q"])
def test_an_escape_of_no_character_is_explained(tmp_path: Path, escape: str) -> None:
    message = complaint(tmp_path, f'a: "{escape}"\n'.encode())
    assert "this escape stands for no character" in message
    assert "write the character itself" in message


def test_where_a_text_is_not_utf8_is_shown(tmp_path: Path) -> None:
    message = complaint(tmp_path, b"\xef\xbb\xbfa: \xc3\xa4\nb: K\xe4se\n")
    assert message.startswith(":2:5: this is not UTF-8 text\n    2 | b: K")
