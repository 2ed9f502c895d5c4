"""Commands that move channels: one signs and has no write rights, the other the reverse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bakery.cli.failures import exit_on_failures
from bakery.cli.project import Project
from bakery.errors import BakeryError
from bakery.text import alarms, counted, is_alarm

if TYPE_CHECKING:
    from bakery.publish.session import DesiredChannels

_INDEX = "index"
_FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))


@click.command("sign-channels")
@_FOLDER
@click.argument("names", metavar="[NAME]...", nargs=-1)
def sign_channels(folder: Path, names: tuple[str, ...]) -> None:
    """Verify what is published, and write signed channels of it to DIR.

    NAMEs are recipes, or `index` for the index of everything; without any it is all of them.
    `bakery move-channels DIR` uploads what DIR says, wherever there are the rights to do so.
    """
    from bakery.publish.session import PublishSession

    project = Project()
    _refuse_missing(project, folder, names)
    signed = PublishSession.configured(project.settings).sign(folder, _desired(project, names))
    click.echo(f"{counted(len(signed.tags), 'channel')} signed: {' '.join(signed.tags)}")
    alarms(signed.left_out)
    exit_on_failures(signed.failures)


def _refuse_missing(project: Project, folder: Path, names: tuple[str, ...]) -> None:
    """Refuse a recipe's name in the place of the folder: it would be taken for one."""
    name = str(folder)
    if not folder.exists() and (name == _INDEX or name in project.recipes):
        raise BakeryError(
            f"no folder is named before {name}",
            fix=f"bakery sign-channels DIR {' '.join([name, *names])}\n"
            f"or, for a folder of this name: mkdir {name}",
        )


@click.command("move-channels")
@_FOLDER
def move_channels(folder: Path) -> None:
    """Upload the signed channels in DIR, which is verified first; no key is needed.

    A channel that another run has moved since to something newer stays as it is.
    """
    from bakery.publish.session import PublishSession

    told = PublishSession.of(Project().settings, None).move_signed(folder)
    click.echo("\n".join(line for line in told if not is_alarm(line)))
    alarms(told)


def _desired(project: Project, names: tuple[str, ...]) -> dict[str, DesiredChannels]:
    from bakery.publish.channel import Channels
    from bakery.publish.session import of_recipe

    recipes = [name for name in names if name != _INDEX]
    sources = project.chosen(recipes) if recipes or not names else {}
    desired = {
        name: of_recipe(name, minors="minor" in source.recipe.channels)
        for name, source in sources.items()
    }
    return {**desired, _INDEX: Channels.index} if _INDEX in names or not names else desired
