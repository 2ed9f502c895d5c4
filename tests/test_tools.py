from __future__ import annotations

import pytest

from bakery.errors import MissingToolError
from bakery.tools import Tool, ToolFailedError, run


def test_a_missing_program_names_its_package_for_every_manager() -> None:
    tool = Tool(program="no-such-program", apt="a", dnf="d", zypper="z", brew="b")
    with pytest.raises(MissingToolError) as caught:
        tool.require()
    assert caught.value.render() == (
        "the program no-such-program is not installed\n"
        "  fix:   apt install a\n"
        "         dnf install d\n"
        "         zypper install z\n"
        "         brew install b"
    )


def test_a_failure_shows_the_command_its_status_and_its_last_words() -> None:
    with pytest.raises(ToolFailedError) as caught:
        run(["sh", "-c", "echo one; echo two words >&2; exit 3"], what="it failed", fix="try")
    assert caught.value.render() == (
        "it failed\n"
        "  where: sh -c 'echo one; echo two words >&2; exit 3'\n"
        "  why:   exit status 3\n"
        "         two words\n"
        "  fix:   try"
    )


def test_output_is_in_the_c_locale_and_utc() -> None:
    assert run(["sh", "-c", "echo $LC_ALL $TZ $X"], what="", env={"X": "1"}) == "C UTC 1\n"


def test_a_program_that_can_not_start_is_explained() -> None:
    with pytest.raises(ToolFailedError, match="No such file"):
        run(["/no/such/program"], what="it failed")
