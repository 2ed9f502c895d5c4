"""How commands report failures."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from bakery import surroundings
from bakery.errors import BakeryError, explained
from bakery.text import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNLIMITED = 1000  # characters
_TASKS = ("build", "fetch", "stage", "squash", "release", "channel", "list", "clean")


class CommandGroup(click.Group):
    """A group of commands that report failures without a traceback."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with the whole of its first sentence."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(n, c.get_short_help_str(_UNLIMITED)) for n, c in commands if c])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is named; of one that is not there, say which was meant."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(_unknown(args, self.list_commands(ctx)))
        name, *given = args
        for before, word in zip(args, given, strict=False):
            if not word and not before.startswith("-"):
                ctx.fail(f"an argument of {name} is empty: perhaps a variable that is not set")
        return super().resolve_command(ctx, args)

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Parse the command line and run the command."""
        if not options.get("standalone_mode", True):
            return super().main(*arguments, **options)
        try:
            surroundings.prepare()
            return super().main(*arguments, **options)
        except (BakeryError, OSError) as error:  # before a command runs, as --help does
            _report("error", explained(error))
            sys.exit(1)

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


def _unknown(args: Sequence[str], commands: Sequence[str]) -> str:
    name, *names = args
    near = name if name in _TASKS else nearest(name, [*commands, *_TASKS])
    if near in _TASKS:
        tasks = " ".join(f"{near}:{each}" for each in names if not each.startswith("-"))
        return f"there is no command {name}: tasks are done by `doit {tasks or near}`"
    return f"there is no command {name}" + (f"; did you mean bakery {near}?" if near else "")


def _report(subject: str, error: BakeryError) -> None:
    surroundings.drop_unwritten()
    click.echo(f"{click.style(f'{subject}:', fg='red', bold=True)} {error.render()}", err=True)
