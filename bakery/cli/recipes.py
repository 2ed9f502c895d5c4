"""Commands for whoever writes a recipe: drafted, linted, looked into."""

from __future__ import annotations

import click

from bakery.arch import ARCHITECTURES
from bakery.cli.project import Project
from bakery.errors import BakeryError


@click.command()
@click.argument("name")
@click.option("--github", metavar="OWNER/REPO", help="Its releases.")
@click.option("--pypi", metavar="PROJECT", help="Its wheels on the package index.")
@click.option("--url", metavar="ADDRESS", help="An address with {version}, and perhaps {arch}.")
@click.option("--version", help="Which version; the newest by default.")
@click.option("--unit", is_flag=True, help="Add a hardened service, to start from.")
def new(
    name: str,
    github: str | None,
    pypi: str | None,
    url: str | None,
    version: str | None,
    *,
    unit: bool,
) -> None:
    """Write a recipe NAME for a project, and lock a version of it.

    Opens the project's files for Linux to see what they hold. Says what it chose and why, and what
    to do next.
    """
    from bakery.scaffold.create import create

    sources = {"github": github, "pypi": pypi, "url": url}
    given = [(kind, source) for kind, source in sources.items() if source]
    if len(given) != 1:
        raise BakeryError(
            "the project must be named in one way",
            fix="give --github OWNER/REPO, --pypi PROJECT or --url ADDRESS",
        )
    ((kind, source),) = given
    create(
        name, kind, source, settings=Project().settings, version=version, unit=unit, echo=click.echo
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
    problems = list(linter.lint(project.recipes, names or project.recipes))
    formats = {"text": linter.text, "gcc": linter.gcc, "github": linter.github}
    if problems:
        click.echo(formats[output](problems))
    errors = sum(problem.severity == "error" for problem in problems)
    if output == "text":
        warnings = len(problems) - errors
        click.echo(f"{len(names or project.recipes)} recipes: {errors} errors, {warnings} warnings")
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
