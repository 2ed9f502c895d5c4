"""Commands about the project itself: its settings, its store, the schemas of its files."""

from __future__ import annotations

import click

from bakery import settings
from bakery.cli import schemas
from bakery.cli.project import Project
from bakery.text import format_size, parse_size


@click.command("settings")
def show_settings() -> None:
    """Print every setting, its value, and where it comes from."""
    held = Project().settings
    for name in settings.NAMES:
        value = getattr(held, name)
        if isinstance(value, tuple):
            value = " ".join(value)
        if value is None or isinstance(value, bool):
            value = {None: "-", True: "yes", False: "no"}[value]
        click.echo(f"{name:<15} {value!s:<44} {held.origins[name]}")


@click.command()
@click.option(
    "--limit", default="20G", metavar="SIZE", show_default=True, help="What the store may keep."
)
@click.option("--all", "everything", is_flag=True, help="Even what this project's locks name.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def gc(limit: str, *, everything: bool, dry_run: bool) -> None:
    """Remove the least recently used assets from the store until it is below a limit.

    Assets that this project's locks name stay, whatever the limit.
    """
    from bakery.store.folder import Store
    from bakery.store.gc import collect

    project = Project()
    keep = set() if everything else _locked_digests(project)
    store = Store(project.settings.store)
    gone = collect(store, parse_size(limit), keep, dry_run=dry_run)
    verb = "would go" if dry_run else "removed"
    click.echo(
        f"{verb}: {len(gone.blobs)} assets and {gone.partials} unfinished downloads, "
        f"{format_size(gone.freed)}; {format_size(gone.left)} stay in {project.settings.store}"
    )


@click.command()
@click.argument("kind", type=click.Choice(schemas.NAMES), default="recipe")
def schema(kind: str) -> None:
    """Print the JSON Schema of recipe.yaml or release.json."""
    click.echo(schemas.text(kind), nl=False)


@click.command()
def reference() -> None:
    """Print the reference of recipe.yaml, check.yaml, lock.json and the settings, as Markdown."""
    from bakery.cli import reference as made

    click.echo(made.page(), nl=False)


def _locked_digests(project: Project) -> set[str]:
    """Return what the locks name, those of recipes that can't be used included."""
    from bakery.recipe import lock
    from bakery.recipe.folder import LOCK

    return {
        asset.sha256
        for name in project.recipes
        for locked in lock.read(project.settings.recipes / name / LOCK).versions.values()
        for asset in locked.assets
    }
