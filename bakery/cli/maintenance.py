"""Commands about the project itself: its settings, its store, the schemas of its files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from bakery import settings
from bakery.cli import schemas
from bakery.cli.project import Project
from bakery.text import counted, format_size, parse_size

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN = 20  # recipes, the largest; the others in one line


@click.command("settings")
def show_settings() -> None:
    """Print every setting, its value, and where it comes from."""
    held = Project().settings
    width = max(map(len, settings.NAMES))
    for name in settings.NAMES:
        value = getattr(held, name)
        if isinstance(value, tuple):
            value = ("; " if name == "boot_waiver" else " ").join(map(str, value))
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        shown = "-" if value is None or value == "" else value
        click.echo(f"{name:<{width}} {shown!s:<44} {held.origins[name]}")


@click.command()
@click.option(
    "--limit", default="20G", metavar="SIZE", show_default=True, help="What the store may keep."
)
@click.option(
    "--all", "everything", is_flag=True, help="Even what this project's locks name, and no other's."
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def gc(limit: str, *, everything: bool, dry_run: bool) -> None:
    """Remove the least recently used assets from the store until it is below a limit.

    Assets that locks name stay, whatever the limit: this project's, and those of all bakeries that
    have used the store and still are where they were.
    """
    from bakery.store import users
    from bakery.store.folder import Store
    from bakery.store.gc import collect

    project = Project()
    store = Store(project.settings.store)
    own, known = project.settings.recipes, users.known(store)
    names = _locked(own)
    kept = {each: _locked(each) for each in known.recipes if each != own}
    keep = {digest for locked in kept.values() for digest in locked} | set(
        () if everything else names
    )
    gone = collect(store, parse_size(limit), keep, dry_run=dry_run)
    verb = "would go" if dry_run else "removed"
    for blob in gone.blobs:
        day = datetime.fromtimestamp(blob.used_ns / 1e9, tz=UTC).date()
        name = names.get(blob.sha256, "locked nowhere") if blob.whole else "damaged"
        click.echo(f"{verb}: {blob.sha256[:12]}  {format_size(blob.size):>10}  used {day}  {name}")
    if known.vanished:
        first, *more = known.vanished
        others = f" and {len(more)} other bakeries" if more else ""
        click.echo(f"no longer there, so nothing is kept for {first}{others}")
    for folder in () if dry_run else known.vanished:
        users.forget(store, folder)
    for folder, locked in kept.items():
        held = sum(store.has(digest) for digest in locked)
        click.echo(f"{counted(held, 'asset')} kept for {folder}, which shares the store")
    click.echo(
        f"{verb}: {counted(len(gone.blobs), 'asset')} and"
        f" {counted(gone.partials, 'unfinished download')}, "
        f"{format_size(gone.freed)}; {format_size(gone.left)} stay in {project.settings.store}"
    )


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every recipe.")
@click.option("--all", "everything", is_flag=True, help="All recipes, however small.")
@click.option("--published", is_flag=True, help="Ask the publisher what it has, too.")
def stats(*, as_json: bool, everything: bool, published: bool) -> None:
    """Tell what the catalogue costs: bytes, seconds, calls, and which recipes grow.

    From locks, records of what was done here, and folders; the network is used with --published
    alone.
    """
    import msgspec

    from bakery.build.state import State
    from bakery.costs.gather import gather
    from bakery.costs.show import show
    from bakery.publish.session import PublishSession
    from bakery.store.folder import Store

    project = Project()
    held = project.settings
    costs = gather(
        held,
        State(held.dist),
        Store(held.store),
        project.sources,
        project.releases,
        published=PublishSession.of(held, None).known() if published else None,
    )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(costs), indent=1))
    else:
        click.echo(show(costs, None if everything else _SHOWN))


@click.command()
@click.argument("kind", type=click.Choice(schemas.NAMES), default="recipe")
def schema(kind: str) -> None:
    """Print the JSON Schema of recipe.yaml, release.json, or the site's bakery.json."""
    click.echo(schemas.text(kind), nl=False)


@click.command()
def reference() -> None:
    """Print the reference of recipe.yaml, check.yaml, lock.json and the settings, as Markdown."""
    from bakery.cli import reference as made

    click.echo(made.page(), nl=False)


def _locked(recipes: Path) -> dict[str, str]:
    """Return the digests that locks name and what is called so, those of broken recipes included.

    Raises:
        LockError: a lock is damaged, so that nobody knows what it names.

    """
    from bakery.recipe import lock
    from bakery.recipe.folder import LOCK
    from bakery.recipe.load import Recipes

    return {
        asset.sha256: asset.url.rpartition("/")[2]
        for name in Recipes(recipes)
        for locked in lock.read(recipes / name / LOCK).versions.values()
        for asset in locked.assets
    }
