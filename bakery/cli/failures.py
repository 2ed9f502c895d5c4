"""How commands report failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bakery.errors import BakeryError, explained

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNLIMITED = 1000  # characters


class CommandGroup(click.Group):
    """A group of commands that report failures without a traceback."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with the whole of its first sentence."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(n, c.get_short_help_str(_UNLIMITED)) for n, c in commands if c])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; if it fails, report why and exit with status 1."""
        try:
            return super().invoke(ctx)
        except (BakeryError, OSError) as error:
            _report("error", explained(error))
            ctx.exit(1)


def exit_on_failures(failures: Sequence[tuple[str, BakeryError]]) -> None:
    """Report each failure with its name, and exit with status 1 if there are any."""
    for name, error in failures:
        _report(name, error)
    if failures:
        raise SystemExit(1)


def _report(subject: str, error: BakeryError) -> None:
    click.echo(f"{click.style(f'{subject}:', fg='red', bold=True)} {error.render()}", err=True)
