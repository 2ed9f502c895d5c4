"""How commands tell what they do, and what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bakery.errors import BakeryError, explained

if TYPE_CHECKING:
    from collections.abc import Sequence

_WHOLE = 1000  # characters


class Explaining(click.Group):
    """A group of commands whose failures are explained, without a traceback."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with the whole of its first sentence."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(n, c.get_short_help_str(_WHOLE)) for n, c in commands if c])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end with status 1 and the explanation if it fails."""
        try:
            return super().invoke(ctx)
        except (BakeryError, OSError) as error:
            _explain("error", explained(error))
            ctx.exit(1)


def end(failed: Sequence[tuple[str, BakeryError]]) -> None:
    """Report what failed, and end with status 1 if anything did."""
    for name, error in failed:
        _explain(name, error)
    if failed:
        raise SystemExit(1)


def _explain(subject: str, error: BakeryError) -> None:
    click.echo(f"{click.style(f'{subject}:', fg='red', bold=True)} {error.render()}", err=True)
