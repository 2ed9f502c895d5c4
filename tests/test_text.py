from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.errors import SettingsError
from bakery.text import alarms, format_size, parse_size, plain_table, printable


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("4096", 4096),
        ("500M", 500 << 20),
        ("10g", 10 << 30),
        ("1.5 GiB", 3 << 29),
        ("7B", 7),
    ],
)
def test_a_size_is_read_in_binary_units(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "G", "-1", "10X", "1..5G", "10 G B", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is no size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (64_300_000, "61.3 MiB"),
        (1 << 61, "2048.0 PiB"),
    ],
)
def test_a_size_is_written_in_binary_units(count: int, text: str) -> None:
    assert format_size(count) == text


def test_cells_act_on_no_terminal() -> None:
    text = plain_table(["name", "n"], [["a\x1b[2J\nb", "1"], ["\u202ec", "22"]], numbers=["n"])
    assert text.splitlines() == ["name          n", r"a\x1b[2J\nb   1", r"\u202ec      22"]


def test_what_needs_attention_is_shown_by_github_actions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["http://example.com/app", "left out: app-1, since 100% of it\n::error::is odd"]
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    alarms(lines)
    assert capsys.readouterr() == ("", f"{lines[1]}\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    alarms(lines)
    assert capsys.readouterr().out == (
        "::warning title=bakery::left out: app-1, since 100%25 of it%0A::error::is odd\n"
    )


@given(st.binary())
def test_whatever_a_name_holds_can_be_printed(name: bytes) -> None:
    shown = printable(name.decode("utf-8", "surrogateescape"))
    assert shown.isprintable()
    shown.encode("utf-8")
