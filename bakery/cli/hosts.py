"""Commands that bring extensions to hosts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bakery.arch import ARCHITECTURES
from bakery.cli.project import Project

if TYPE_CHECKING:
    from bakery.arch import Arch
    from bakery.provision.command import Output

_arch = click.option(
    "--arch", type=click.Choice(list(ARCHITECTURES)), default="x86-64", show_default=True
)
_policy = click.option(
    "--policy",
    type=click.Choice(["reload", "reboot"]),
    default="reload",
    show_default=True,
    help="What hosts that follow a channel do when an update has come.",
)
_unsigned = click.option("--unsigned", is_flag=True, help="Follow channels that nobody signs, too.")
_keyring = click.option(
    "--keyring",
    type=click.Path(path_type=Path),
    help="Refuse what no key in this file has signed.",
)
_verity = click.option(
    "--verity", is_flag=True, help="Take the image that has dm-verity data, signed or not."
)
_enforce = click.option(
    "--enforce", is_flag=True, help="Take signed images, and have the host merge no others at all."
)
_root = click.option(
    "--root",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The root of a mounted file system.",
)


@click.command()
@click.argument("references", metavar="IMAGE|RELEASE|CHANNEL…", nargs=-1, required=True)
@click.option(
    "--format",
    "output",
    type=click.Choice(["butane", "ignition", "cloud-init", "shell", "clc"]),
    default="butane",
    show_default=True,
    help="What sets the machine up; clc is the older Container Linux Config.",
)
@click.option(
    "--host",
    type=click.Choice(["flatcar", "fcos", "any"]),
    help="The system on it: flatcar unless given, but scripts look for themselves.",
)
@click.option("--offline", is_flag=True, help="Embed the images, which must be small.")
@click.option(
    "--newest",
    is_flag=True,
    help="Name no version: the machine takes the channel's newest when it first boots.",
)
@click.option(
    "--mirror",
    metavar="URL",
    help="Where machines download: a mirror that serves https://host/path as /host/path.",
)
@click.option("--proxy", metavar="URL", help="The proxy that machines download with.")
@_arch
@_policy
@_unsigned
@_verity
@_enforce
@_keyring
def provision(
    references: tuple[str, ...],
    *,
    output: Output,
    arch: Arch,
    verity: bool,
    keyring: Path | None,
    mirror: str | None,
    **choices: Any,
) -> None:
    """Write what a new machine needs to run extensions.

    A release, such as docker-20.10.13, or an image stays as it is; a channel, such as docker, is
    followed. All may be paths or addresses as well.
    """
    from bakery.provision import command
    from bakery.provision.extension import Wanted
    from bakery.provision.plan import Choices

    project = Project()
    with project.explaining_names(references):
        text = command.provision(
            references,
            Wanted(arch=arch, verity=verity, keyring=keyring),
            Choices(**choices),
            settings=project.settings,
            output=output,
            mirror=mirror,
        )
    click.echo(text, nl=False)


@click.command()
@click.argument("reference", metavar="IMAGE|RELEASE|CHANNEL")
@_root
@click.option("--host", type=click.Choice(["flatcar", "fcos", "any"]), default="any")
@_arch
@_policy
@_unsigned
@_verity
@_enforce
@_keyring
def install(
    reference: str,
    root: Path,
    *,
    arch: Arch,
    verity: bool,
    keyring: Path | None,
    **choices: Any,
) -> None:
    """Install an extension into a root file system, such as a golden image's.

    Of a channel, the files that make hosts follow it as well.
    """
    from bakery.provision import command
    from bakery.provision.extension import Wanted
    from bakery.provision.plan import Choices

    project = Project()
    with project.explaining_names([reference]):
        paths = command.install(
            reference,
            root,
            Wanted(arch=arch, verity=verity, keyring=keyring),
            Choices(**choices),
            project.settings,
        )
    for path in paths:
        click.echo(path)


@click.command()
@click.argument("name")
@_root
def uninstall(name: str, root: Path) -> None:
    """Remove an extension from a root file system, but for data and settings made there since."""
    from bakery.provision.install import uninstall as remove
    from bakery.provision.stays import stays

    left = stays(name, root) if root.is_dir() else []
    for path in remove(name, root):
        click.echo(f"removed {path}")
    for each in left:
        click.echo(f"stays, and is yours to remove: {each}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("name", required=False)
@click.option("--os", metavar="ID:VERSION_ID", help="The only system that may merge it.")
@click.option("--recipe", is_flag=True, help="Write a recipe to keep, and no image.")
def torcx(file: Path, name: str | None, os: str | None, *, recipe: bool) -> None:
    """Convert the Torcx image FILE to an extension, called NAME, in the current folder.

    Images with dynamic programs need --os, since they fit one version of one system. The exit
    status is 1 when the image breaks a rule.
    """
    from bakery.check import render
    from bakery.torcx import build
    from bakery.torcx.convert import convert

    settings = Project().settings
    if recipe:
        conversion = convert(file, name, os, settings.recipes)
        name = conversion.name
        click.echo(f"wrote {settings.recipes / name}; build it with: doit build:{name}")
        click.echo(conversion.summary())
        return
    conversion, image, report = build.build(file, name, os, Path.cwd(), settings)
    click.echo(f"wrote {image.name}")
    click.echo(conversion.summary())
    click.echo(render.text([report]))
    if report.errors:
        raise SystemExit(1)
