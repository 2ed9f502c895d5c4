from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakery.check import os_release


def test_fields_are_read_and_unquoted() -> None:
    fields = os_release.parse("# comment\n\nID=_any\nNAME=\"Demo 'x' OS\"\nA='1'\nEMPTY=\n")
    assert fields.values == {"ID": "_any", "NAME": "Demo 'x' OS", "A": "1", "EMPTY": ""}
    assert fields.mistakes == ()


@pytest.mark.parametrize("line", ["id=x", "ID = x", "ID", "ID=a b", 'ID="a', "=x"])
def test_lines_that_are_no_field(line: str) -> None:
    assert os_release.parse(line).mistakes == (f"line 1 is not FIELD=value: {line}",)


def test_a_field_that_is_given_twice() -> None:
    fields = os_release.parse("ID=a\nID=b\n")
    assert fields.get("ID") == "b"
    assert fields.mistakes == ("line 2 gives ID again",)


@given(st.text())
def test_any_text_is_fields_or_mistakes(text: str) -> None:
    fields = os_release.parse(text)
    assert all(name and value is not None for name, value in fields.values.items())
