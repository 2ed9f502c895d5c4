from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from bakery.workflow_commands import annotation, group


@given(st.text(), st.text())
def test_an_annotation_is_one_command(message: str, title: str) -> None:
    line = annotation("error", message, title=title)
    assert len(line.splitlines()) == 1
    command, _, data = line.removeprefix("::").partition("::")
    head, _, properties = command.partition(" title=")
    assert "," not in properties
    assert head == "error"
    if message.isprintable():
        unescaped = data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
        assert unescaped == message


def test_a_group_is_plain_where_nothing_in_it_is_a_command() -> None:
    assert group("title", ["one", "two: ::"]) == ["::group::title", "one\ntwo: ::", "::endgroup::"]


def test_commands_in_a_group_are_not_obeyed() -> None:
    for line in ("::add-mask::x", "  ::set-env name=PATH::/tmp", "x ##[command]", "a\n::error::b"):
        text = "\n".join(group("title", ["before", line, "after\x1b[2J"]))
        token = re.match(r"::group::title\n::stop-commands::([0-9a-f]{32})\n", text)
        assert token
        assert text.endswith(f"after\\x1b[2J\n::{token[1]}::\n::endgroup::")
