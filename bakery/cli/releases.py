"""Commands about releases: for the workflows that make them, and for their consumers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TextIO

import click

from bakery.cli.failures import exit_on_failures
from bakery.cli.paths import Existing, meant
from bakery.cli.project import Project
from bakery.errors import BakeryError
from bakery.recipe.names import VERITY
from bakery.text import counted, format_size


@click.command()
@click.option("--shards", type=int, default=20, show_default=True, help="How many jobs at most.")
@click.option("--since", metavar="REF", help="Only what has changed since this commit.")
@click.option("--unpublished", is_flag=True, help="Only releases that are not published.")
@click.option(
    "--at-most", type=int, metavar="IMAGES", help="So many, the newest of all recipes first."
)
@click.option(
    "--times",
    "measured",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What `bakery times` has printed; there need not be one yet.",
)
@click.option(
    "--left",
    "left_file",
    type=click.File("w", "utf-8", lazy=False),
    help="Takes the names of the images that are left for another run, one a line.",
)
def matrix(
    shards: int,
    since: str | None,
    at_most: int | None,
    measured: Path | None,
    left_file: TextIO | None,
    *,
    unpublished: bool,
) -> None:
    """Print which images each job of a workflow is to bake and boot, as JSON for its matrix.

    Jobs are balanced by how long steps took before, here or by --times; what nobody has measured,
    by other versions and by the sizes of assets. What runners of GitHub have neither the time nor
    the room for is left for another run.
    """
    import msgspec

    from bakery.ci import matrix as dividing
    from bakery.ci.times import Expected

    project = Project()
    images = [*project.images.values()]
    if since is not None:
        images = dividing.touched(project.releases, project.recipes, project.settings, since)
    if unpublished:
        from bakery.publish.session import PublishSession

        public = PublishSession.configured(project.settings).public()
        images = [image for image in images if image.release not in public]
    chosen = images if at_most is None else dividing.at_most(at_most, images)
    expected = Expected(_times(project, measured), project.images.values())
    divided, late = dividing.fitting(
        chosen, lambda some: dividing.matrix(some, expected, shards, project.required)
    )
    if late:
        click.echo(
            f"left for another run, for want of time or room: {counted(len(late), 'image')}",
            err=True,
        )
    if left_file:
        now = {name for _, booted in divided.images().values() for name in booted}
        names = [image.id for image in images if image.id not in now]
        left_file.writelines(f"{name}\n" for name in names)
    click.echo(msgspec.json.encode(divided))


def _times(project: Project, file: Path | None) -> dict[str, float]:
    """Return the seconds that steps took by a file, where there is one, and here."""
    from bakery.ci import times

    known = times.decode(file.read_bytes()) if file and file.exists() else {}
    return {**known, **times.measured([project.settings.dist])}


@click.command()
@click.argument("folders", nargs=-1, type=Existing(file_okay=False))
@click.option(
    "--known",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What this command printed before; there need not be one yet.",
)
def times(folders: tuple[Path, ...], known: Path | None) -> None:
    """Print as JSON how long each step has taken, for `bakery matrix --times`.

    Read are the records in FOLDERS, as jobs hand them over, and in the output folder. What is known
    of steps that were not done again stays, until recipes no longer have them.
    """
    from bakery.ci import times as timing

    project = Project()
    seconds = {**_times(project, known), **timing.measured(folders)}
    click.echo(timing.encode(timing.of_catalogue(seconds, project.images.values())), nl=False)


_ON_GITHUB = re.compile(
    r"https://github\.com/(?P<repository>[\w.-]+/[\w.-]+)/releases/download/", re.ASCII
)
_ARTIFACTS = click.argument("artifacts", type=Existing(file_okay=False))


@click.command()
@_ARTIFACTS
@click.option("--matrix", "divided", required=True, help="What each shard was asked for, as JSON.")
@click.option("--once", is_flag=True, help="Nothing was built a second time.")
def agree(artifacts: Path, divided: str, *, once: bool) -> None:
    """Print as JSON which images all jobs that built them agree on.

    ARTIFACTS holds a folder built-SHARD and, unless --once is given, rebuilt-SHARD for each shard.
    """
    import msgspec

    from bakery.ci import handover, matrix

    agreed, problems = handover.agree(
        artifacts, matrix.decode(divided), Project().images, rebuilt=not once
    )
    click.echo(msgspec.json.encode(agreed, order="sorted"))
    exit_on_failures([("left out", problem) for problem in problems])


@click.command()
@_ARTIFACTS
@click.option("--agreed", required=True, help="What `bakery agree` has printed.")
@click.option("--boots", is_flag=True, help="Take boots over as well, and print what is complete.")
@click.option(
    "--shard", metavar="NAME", help="Only what this shard has built, which is to boot it."
)
def restore(artifacts: Path, agreed: str, shard: str | None, *, boots: bool) -> None:
    """Take over images that other jobs have built, and all agree on.

    With --boots, releases that have passed theirs are printed, as tasks for doit; with --shard, the
    boots that are left to that shard. Neither needs anything that was not taken over. Where
    BAKERY_REMOTE_WRITE says so, all that is taken over is put into the shared cache.
    """
    from bakery.build.context import Context
    from bakery.build.sharing import Sharing
    from bakery.build.state import State
    from bakery.ci.handover import decode_agreed
    from bakery.ci.restore import Restorer

    project = Project()
    state = State(project.settings.dist, sharing=Sharing.of(project.settings))
    restorer = Restorer(
        context=Context.of(project.settings),
        state=state,
        artifacts=artifacts,
        agreed=decode_agreed(agreed),
        required=project.required,
    )
    if shard:
        if shard not in restorer.shards:  # a lost runner's, or none
            others = ", ".join(restorer.shards) or "none"
            click.echo(f"nothing of a shard {shard} is agreed on; there are: {others}", err=True)
        images, problems = restorer.shard(shard, project.images.values())
        for image in images:
            click.echo(f"boot:{image.id}")
    else:
        problems = restorer.images(project.images.values())
    if boots:
        complete, more = restorer.boots(project.releases)
        problems += more
        for release in complete:
            click.echo(f"release:{release.name}")
    for complaint in state.complaints():
        click.echo(complaint, err=True)
    exit_on_failures([("left out", problem) for problem in problems])


@click.command()
@click.argument("folders", nargs=-1, required=True, type=Existing(file_okay=False))
@click.option(
    "--references",
    metavar="FILE",
    type=click.File("w", "utf-8", lazy=False),
    help="Write what the publisher calls them, a line each: in a registry HOST/PATH@DIGEST.",
)
def publish(folders: tuple[Path, ...], references: TextIO | None) -> None:
    """Publish finished release folders as they are, wherever they were made and signed.

    What can't be published holds nothing else back.
    """
    from bakery.http.breaker import GivenUpError
    from bakery.publish.session import PublishSession

    session = PublishSession.configured(Project().settings)
    failures: list[tuple[str, BakeryError]] = []
    for number, folder in enumerate(folders):
        try:
            click.echo(session.publish(folder))
            if references is not None:  # at once, for a later release may fail
                references.writelines(f"{each}\n" for each in session.references(folder.name))
        except GivenUpError as error:
            failures.append(
                (error.where or "", error.about([each.name for each in folders[number:]]))
            )
            break
        except BakeryError as error:
            failures.append((folder.name, error))
    exit_on_failures(failures)


@click.command("verify-release")
@click.argument("location", metavar="URL|FOLDER")
@click.option(
    "--keyring",
    type=click.Path(path_type=Path),
    help="The keys that may have signed it; unless given, this bakery's, or else this host's.",
)
@click.option("--unsigned", is_flag=True, help="Do without a signature.")
def verify_release(location: str, keyring: Path | None, *, unsigned: bool) -> None:
    """Check a release or a channel as a consumer: signature, digests, names, release.json.

    Everything is read once, from a folder, over HTTP or from a registry (oci://HOST/PATH/NAME);
    nothing is kept. It must be the release or channel that URL or FOLDER is called, such as
    docker-20.10.13 or docker.
    """
    from bakery.release.keyring import usual
    from bakery.release.verify import verify

    if "://" not in location and not Path(location).is_dir():
        near = meant(Path(location))
        raise BakeryError(
            "there is no such folder",
            where=location,
            fix=f"did you mean {near}?"
            if near
            else "give the address or folder of a whole release or channel",
        )
    keys = None if unsigned else keyring or usual(Project().settings.signing_keyring)
    for verified in verify(location, keyring=keys):
        click.echo(f"{verified.name:<44} {format_size(verified.size):>10}  {verified.what}")
    click.echo(f"{location} is as it should be{', but for a signature' if unsigned else ''}")
    if on_github := _ON_GITHUB.match(location):
        repository = on_github["repository"]
        click.echo(
            f"where an image was built: gh attestation verify FILE --repo {repository} "
            f"--signer-workflow {repository}/.github/workflows/bake.yaml"
            f"; for FILE{VERITY}, release.yaml"
        )
