from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bakery.check.rule import printable


@given(st.binary())
def test_whatever_a_name_holds_can_be_printed(name: bytes) -> None:
    shown = printable(name.decode("utf-8", "surrogateescape"))
    assert shown.isprintable()
    shown.encode("utf-8")
