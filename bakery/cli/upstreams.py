"""Commands about locks: upstream asked for new versions and for the same ones, who vouches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bakery.cli.failures import exit_on_failures
from bakery.cli.project import Project
from bakery.errors import BakeryError
from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bakery.recipe.load import Source


_markdown = click.option("--markdown", is_flag=True, help="Write it for a pull request.")


@click.command()
@click.argument("name")
@click.argument("version", required=False)
@click.option(
    "--part", "parts", multiple=True, metavar="PART=VERSION", help="Choose a part's version."
)
def lock(name: str, version: str | None, parts: tuple[str, ...]) -> None:
    """Pin all assets of one VERSION of the recipe NAME in its lock.json.

    Without VERSION, of all that the recipe's build: asks for and the lock lacks; sizes that the
    lock lacks are added, too. Assets are
    downloaded and hashed; upstream's checksum file is compared where the recipe names one. What is
    locked already never changes silently.
    """
    from bakery.lock.pin import lock_version
    from bakery.lock.spelling import spelled

    chosen = dict(_pair(part) for part in parts)
    project = Project()
    source = project.source(name)
    if version is None:
        lock_missing(project, {name: source}, parts=chosen)
        return
    locked = lock_version(
        source,
        spelled(source, version, project.settings),
        sources=project.recipes,
        settings=project.settings,
        parts=chosen,
    )
    for part, part_version in locked.parts.items():
        click.echo(f"{part} {part_version}")
    for asset in locked.assets:
        size = format_size(asset.size) if asset.size is not None else ""
        click.echo(f"{asset.sha256}  {size:>10}  {asset.trust:<13}  {asset.url}")
    click.echo(f"locked; build it with: doit build:{name}-{version}")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--prune", is_flag=True, help="Drop versions that build: does not ask for.")
@_markdown
def update(names: tuple[str, ...], *, prune: bool, markdown: bool) -> None:
    """Lock what the recipes' build: asks for and their locks lack.

    All recipes, or those NAMES, side by side. One that fails stops no other; the exit status is
    then 1.
    """
    project = Project()
    lock_missing(project, project.chosen(names), prune=prune, markdown=markdown)


@click.command()
@click.argument("names", nargs=-1)
@_markdown
def outdated(names: tuple[str, ...], *, markdown: bool) -> None:
    """Show the newest locked version of recipes beside upstream's newest, and how old that is.

    The exit status is 1 when an upstream could not be asked.
    """
    import datetime as dt

    from bakery.lock import tables, update

    project = Project()
    rows = update.standings(project.chosen(names), project.settings)
    failed = [(row.name, row.failure) for row in rows if row.failure]
    click.echo(tables.standings(rows, dt.datetime.now(dt.UTC).date(), markdown=markdown))
    if markdown:
        click.echo(tables.failures(failed))
    exit_on_failures(failed)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--download", is_flag=True, help="Download the assets again, and hash them.")
@click.option("--since", metavar="REF", help="Only what was locked since this commit.")
@_markdown
def verify(names: tuple[str, ...], *, download: bool, since: str | None, markdown: bool) -> None:
    """Ask upstream whether every locked asset still exists and is the same.

    Downloads checksum files, signatures and the digests of indexes again. A file that upstream has
    changed is an alarm; the exit status is then 1, and nothing is updated. With --download, what
    a lock says about how its digests are known must hold, too.
    """
    from bakery.lock import tables, verify

    project = Project()
    chosen = project.chosen(names)
    results = list(verify.verify(chosen, project.settings, download=download, since=since))
    failed = [
        (f"{result.name} {result.tag}", result.failure) for result in results if result.failure
    ]
    click.echo(tables.confirmations(results, markdown=markdown))
    if markdown:
        click.echo(tables.failures(failed))
    exit_on_failures(failed)


@click.command()
@click.argument("names", nargs=-1)
@_markdown
def sources(names: tuple[str, ...], *, markdown: bool) -> None:
    """Show who has published the digests that recipes' newest locked versions go by.

    Of all recipes, or those NAMES. A digest that is cited comes with the address of the public file
    that it was seen in. Upstream is not asked; `bakery verify` does that.
    """
    from bakery.lock import sources

    click.echo(sources.table(Project().chosen(names).values(), markdown=markdown))


def lock_missing(
    project: Project,
    chosen: Mapping[str, Source],
    *,
    parts: Mapping[str, str] | None = None,
    prune: bool = False,
    markdown: bool = False,
) -> None:
    """Lock what the `build:` of recipes asks for and their locks lack, and say so."""
    from bakery.lock import tables, update

    results = []
    for result in update.update(
        chosen, sources=project.recipes, settings=project.settings, parts=parts, prune=prune
    ):
        click.echo(tables.update_line(result), err=markdown)
        results.append(result)
    failed = [(result.name, error) for result in results for error in result.failures]
    if markdown:
        click.echo(tables.updates(results) + tables.failures(failed))
    exit_on_failures(failed)


def _pair(text: str) -> tuple[str, str]:
    part, _, version = text.partition("=")
    if not (part and version):
        raise BakeryError(f"{text!r} names no part and version", fix="write --part cni=v1.6.2")
    return part, version
