from __future__ import annotations

from click.testing import CliRunner

from bakery.cli import main


def test_help_says_all_of_what_each_command_does() -> None:
    shown = CliRunner().invoke(main, ["--help"], terminal_width=80)
    assert shown.exit_code == 0
    assert "..." not in shown.output.partition("Commands:")[2]
    for name in main.commands:
        assert f"\n  {name} " in shown.output
