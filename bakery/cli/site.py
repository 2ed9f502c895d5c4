"""The command that makes the site."""

from __future__ import annotations

import re
from pathlib import Path

import click

from bakery.cli.project import Project


def _address(_: click.Context, __: click.Parameter, text: str) -> str:
    if text and not re.fullmatch(r"https?://[^\s?#&<>]+", text):
        raise click.BadParameter("it is no address, such as https://example.com/extensions")
    return text.rstrip("/")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--from",
    "places",
    metavar="FOLDER|ADDRESS",
    multiple=True,
    help="What to show, if not what this project publishes; may be given again.",
)
@click.option(
    "--url",
    default="",
    metavar="URL",
    callback=_address,
    help="The address that the site will have.",
)
@click.option("--title", default="System extensions", show_default=True, help="What it is called.")
@click.option(
    "--fedora",
    metavar="VERSION",
    multiple=True,
    help="A release of Fedora whose hosts use sysexts-manager; may be given again.",
)
@click.option(
    "--run",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What the last run of the release workflow did, for the page `status`.",
)
@click.option(
    "--keyring",
    type=click.Path(path_type=Path),
    help="Refuse what no key in this file has signed.",
)
def site(
    folder: Path,
    *,
    places: tuple[str, ...],
    url: str,
    title: str,
    fedora: tuple[str, ...],
    run: Path | None,
    keyring: Path | None,
) -> None:
    """Write a site about what is published into DIR: pages, feeds, and indexes for programs.

    It is made of files alone, and can be served by anything. What has not changed is not written
    again.
    """
    from bakery.site.make import make, repository
    from bakery.site.render import Site
    from bakery.site.run import read

    project = Project()
    described = Site(
        title=title,
        url=url,
        source=repository(project.settings),
        run=read(run) if run else None,
        fedora=fedora or Site.fedora,
    )
    done = make(
        folder, project.settings, project.sources, given=places, keyring=keyring, site=described
    )
    click.echo(f"{folder}: {done}")
