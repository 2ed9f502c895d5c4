"""Commands for whoever writes a recipe: drafted, linted, looked into."""

from __future__ import annotations

import sys

import click

from bakery.arch import ARCHITECTURES
from bakery.cli.project import Project
from bakery.cli.upstreams import lock_missing
from bakery.errors import BakeryError
from bakery.scaffold.libraries import SUITE
from bakery.text import counted, fitted


@click.command()
@click.argument("name")
@click.option("--github", metavar="OWNER/REPO", help="Its releases.")
@click.option("--pypi", metavar="PROJECT", help="Its wheels on the package index.")
@click.option("--npm", metavar="PACKAGE", help="Its packages for Linux on the npm registry.")
@click.option("--url", metavar="ADDRESS", help="An address with {version}, and perhaps {arch}.")
@click.option("--debian", metavar="PACKAGE…", help="Debian packages; the first gives the version.")
@click.option("--suite", default=SUITE, show_default=True, help="The release of Debian.")
@click.argument("more", nargs=-1, metavar="")
@click.option("--version", help="Which version; the newest by default.")
@click.option("--unit", is_flag=True, help="Add a hardened service, to start from.")
@click.option(
    "--boot/--no-boot", default=True, help="See in a boot what it does, for check.yaml (as root)."
)
def new(
    name: str,
    *,
    github: str | None,
    pypi: str | None,
    npm: str | None,
    url: str | None,
    debian: str | None,
    suite: str,
    more: tuple[str, ...],
    version: str | None,
    unit: bool,
    boot: bool,
) -> None:
    """Write a recipe NAME for a project, and lock a version of it.

    Opens the project's files for Linux to see what they hold. Says what it chose and why, and what
    to do next.
    """
    from bakery.scaffold.create import create, create_of_packages

    sources = {"github": github, "pypi": pypi, "npm": npm, "url": url, "debian": debian}
    given = [(kind, source) for kind, source in sources.items() if source]
    if len(given) != 1:
        raise BakeryError(
            "the project must be named in one way",
            fix="give --github OWNER/REPO, --pypi PROJECT, --npm PACKAGE, --url ADDRESS or "
            "--debian PACKAGE",
        )
    ((kind, source),) = given
    settings = Project().settings
    if kind == "debian":
        if version or unit:
            raise BakeryError(
                f"packages take no {'--version' if version else '--unit'}",
                why="a suite has one version of a package, and the package has its units",
                fix="--suite names another release of Debian",
            )
        asked = (*source.split(), *more)
        create_of_packages(name, asked, suite, settings=settings, boot=boot, echo=click.echo)
        return
    if more:
        raise BakeryError(f"what is {more[0]}?", fix="only --debian takes several names")
    create(
        *(name, kind, source),
        settings=settings,
        version=version,
        unit=unit,
        boot=boot,
        echo=click.echo,
    )


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "gcc", "github"]),
    default="text",
    show_default=True,
    help="gcc: a line for each, FILE:LINE:COLUMN first, as editors read it.",
)
def lint(names: tuple[str, ...], output: str) -> None:
    """Say what is wrong with recipes, as far as their folders tell: what a review would reject.

    All recipes, or those NAMES: recipe.yaml, lock.json, check.yaml, README.md and files/. Nothing
    is downloaded or built. The exit status is 1 when there is an error.
    """
    from bakery.scaffold import lint as linter

    project = Project()
    for name in names:
        project.refuse_unknown(name)
    problems = list(linter.lint(project.recipes, dict.fromkeys(names) or project.recipes))
    formats = {"text": linter.text, "gcc": linter.gcc, "github": linter.github}
    if problems:
        text = formats[output](problems)
        click.echo(fitted(text) if output == "text" else text)
    errors = sum(problem.severity == "error" for problem in problems)
    if output == "text":
        warnings = len(problems) - errors
        looked_at = counted(len(set(names) or project.recipes), "recipe")
        click.echo(f"{looked_at}: {counted(errors, 'error')}, {counted(warnings, 'warning')}")
    if errors:
        raise SystemExit(1)


_arch = click.option(
    "--arch", type=click.Choice([*ARCHITECTURES]), help="The processor; this machine's by default."
)
_version = click.option("--version", help="Which locked version; the newest by default.")


@click.command("ls")
@click.argument("name")
@click.argument("pattern", required=False, metavar="[GLOB]")
@_version
@_arch
def list_members(name: str, pattern: str | None, version: str | None, arch: str | None) -> None:
    """List what is in the locked assets of the recipe NAME, for its install:.

    With GLOB, a pattern as install: has it, only what that matches. Modes are those that files get
    in an image. Assets are downloaded into the store if they are not there.
    """
    from bakery.scaffold.contents import listing

    project = Project()
    for line in listing(project.image(name, version, arch), pattern, project.settings):
        click.echo(line)


@click.command()
@click.argument("name")
@click.argument("path")
@_version
@_arch
def why(name: str, path: str, version: str | None, arch: str | None) -> None:
    """Say what put a PATH into the image of the recipe NAME: which asset, by which line."""
    from bakery.scaffold.contents import cause

    project = Project()
    click.echo(cause(project.image(name, version, arch), path, project.settings).text())


@click.command("try")
@click.argument("name")
@click.option("--on", "machine", metavar="MACHINE", help="Where it boots; the newest by default.")
@click.option(
    "--window",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="SECONDS",
    help="Watch units for no longer than that.",
)
@click.option("--shell/--no-shell", default=None, help="Look around afterwards; asked if it fails.")
def try_recipe(name: str, machine: str | None, *, window: int, shell: bool | None) -> None:
    """Lock, build, check and boot the recipe NAME here: its newest version for this processor.

    What is not locked yet is; the image is compressed fast, and booted on one machine. Where that
    fails, the log of what failed is shown, and a shell in the booted system is offered. The same
    again builds only what has changed. That units stay up is seen for a moment alone: what a
    release needs, only `doit boot` proves. Needs root, as every boot does.
    """
    from bakery.boot.machines import refuse_unknown
    from bakery.display import told
    from bakery.recipe.plan import releases
    from bakery.scaffold.attempt import Attempt

    project = Project()
    refuse_unknown(machine or project.settings.machines[-1])
    if not releases(project.source(name)) or any(r.problem for r in releases(project.source(name))):
        lock_missing(project, {name: project.source(name)})
        project = Project()
    image, settings = project.image(name), project.settings
    attempt = Attempt(
        image=image,
        others=project.required(image) if image.contents.requires else (),
        on=machine or settings.machines[-1],
        window=window,
        settings=settings,
    )
    built, reports = attempt.build(), list[str]()
    with told(f"boot:{image.id}", live=True) as tell:
        passed = built is not None and attempt.boot(built, reports.append, tell)
    for each in reports:
        click.echo(fitted(each))
    if shell is None:
        shell = not passed and sys.stdin.isatty() and click.confirm("Look around in it?")
    if shell:
        attempt.look_around()
    if not passed:
        raise SystemExit(1)
