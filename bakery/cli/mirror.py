"""The command that brings what is published from place to place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bakery.arch import ARCHITECTURES
from bakery.cli.failures import exit_on_failures
from bakery.cli.project import Project
from bakery.text import alarms, is_alarm

if TYPE_CHECKING:
    from bakery.arch import Arch
    from bakery.errors import BakeryError
    from bakery.progress import Progress


@click.command()
@click.argument("sources", metavar="SOURCE…", nargs=-1, required=True)
@click.argument("target")
@click.option(
    "--only",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this recipe, release or channel with its releases; may be given several times.",
)
@click.option(
    "--arch",
    "arches",
    type=click.Choice(list(ARCHITECTURES)),
    multiple=True,
    help="Only images for this architecture; may be given several times.",
)
@click.option("--current", is_flag=True, help="Only releases that a channel holds.")
@click.option("--assets", is_flag=True, help="What upstream publishes that they are made of, too.")
@click.option(
    "--keyring",
    type=click.Path(path_type=Path),
    help="The keys that may have signed it; unless given, this bakery's, or else this host's.",
)
@click.option("--unsigned", is_flag=True, help="Do without signatures.")
@click.option("--dry-run", is_flag=True, help="Only say what would be copied, and its size.")
def mirror(
    sources: tuple[str, ...],
    target: str,
    *,
    names: tuple[str, ...],
    arches: tuple[Arch, ...],
    current: bool,
    assets: bool,
    keyring: Path | None,
    unsigned: bool,
    dry_run: bool,
) -> None:
    """Copy releases, channels and the index, as they are signed, from SOURCEs to TARGET.

    Places are folders, addresses of web servers (to read), github:OWNER/REPO and oci:HOST/PATH.
    What is there already is not copied again; what was interrupted is continued. Everything is
    verified as `bakery verify-release` does, and nothing at TARGET is removed but what a channel
    drops.
    """
    from bakery.display import Display
    from bakery.mirror.choice import Selection
    from bakery.mirror.run import Mirroring
    from bakery.release.keyring import usual

    settings = Project().settings
    notes: list[str] = []
    failures: list[tuple[str, BakeryError]] = []
    with Display() as display:
        rows = [display.begin("mirror:")]

        def begun(name: str) -> Progress:
            display.end(rows.pop())
            rows.append(display.begin(f"fetch:{name}"))
            return rows[0]

        mirroring = Mirroring(
            sources=sources,
            target=target,
            selection=Selection(
                names=names, arches=arches or tuple(ARCHITECTURES), current=current
            ),
            keyring=None if unsigned else keyring or usual(settings.signing_keyring),
            with_assets=assets,
            settings=settings,
            begun=begun,
        )
        for line in mirroring.preview() if dry_run else mirroring.run():
            if isinstance(line, tuple):
                failures.append(line)
            elif is_alarm(line):
                notes.append(line)
            else:
                display.say(line)
    alarms(notes)
    exit_on_failures(failures)
