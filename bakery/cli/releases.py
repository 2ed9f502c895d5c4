"""Commands about releases: for the workflows that make them, and for their consumers."""

from __future__ import annotations

from pathlib import Path

import click

from bakery.cli.project import Project
from bakery.text import format_size


@click.command()
@click.option("--shards", type=int, default=20, show_default=True, help="How many jobs at most.")
@click.option("--since", metavar="REF", help="Only what has changed since this commit.")
@click.option("--unpublished", is_flag=True, help="Only releases that are not published.")
@click.option(
    "--at-most", type=int, metavar="IMAGES", help="So many, the newest of all recipes first."
)
def matrix(shards: int, since: str | None, at_most: int | None, *, unpublished: bool) -> None:
    """Print which images each job of a workflow is to bake and boot, as JSON for its matrix.

    Jobs are balanced by how long images took here before, or by their assets' sizes.
    """
    import msgspec

    from bakery.build.state import State
    from bakery.ci import matrix as dividing

    project = Project()
    images = [image for release in project.releases for image in release.images]
    if since is not None:
        images = dividing.touched(project.releases, project.recipes, project.settings, since)
    if unpublished:
        from bakery.build.context import Context
        from bakery.build.steps.publish import Remote

        public = Remote(Context.of(project.settings)).public()
        images = [image for image in images if image.release not in public]
    if at_most is not None:
        images = dividing.at_most(at_most, images)
    click.echo(msgspec.json.encode(dividing.matrix(images, State(project.settings.dist), shards)))


@click.command()
def restore() -> None:
    """Take over images that were baked elsewhere and copied into the output folder.

    What is then complete is printed as tasks for doit.
    """
    from bakery.build.context import Context
    from bakery.build.state import State
    from bakery.ci.restore import restore as take_over

    project = Project()
    context, state = Context.of(project.settings), State(project.settings.dist)
    for release in take_over(context, state, project.releases):
        click.echo(f"publish:{release.name}")


@click.command("verify-release")
@click.argument("location", metavar="URL|FOLDER")
@click.option(
    "--keyring",
    type=click.Path(path_type=Path),
    default="/etc/systemd/import-pubring.gpg",
    show_default=True,
    help="The keys that may have signed it; this host's own unless given.",
)
@click.option("--unsigned", is_flag=True, help="Do without a signature.")
def verify_release(location: str, keyring: Path, *, unsigned: bool) -> None:
    """Check a release or a channel as a consumer: signature, digests, names, release.json.

    Everything is read once, from a folder or over HTTP; nothing is kept. It must be the release or
    channel that URL or FOLDER is called, such as docker-20.10.13 or docker.
    """
    from bakery.release.verify import verify

    for verified in verify(location, keyring=None if unsigned else keyring):
        click.echo(f"{verified.name:<44} {format_size(verified.size):>10}  {verified.what}")
    click.echo(f"{location} is as it should be{', but for a signature' if unsigned else ''}")
