"""Commands that check and boot images, whoever made them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import click

from bakery.cli.project import Project
from bakery.text import fitted


class ImageFile(click.Path):
    """An image file or folder that is there; a recipe's name is none, and its task is told."""

    def __init__(self) -> None:
        super().__init__(exists=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or fail with what was meant."""
        text = os.fspath(value)
        if not Path(text).exists() and "/" not in text:
            known = Project().recipes
            names = [text[: end.start()] for end in re.finditer("-|$", text)]
            if any(name in known for name in names):
                self.fail(f"there is no file {text}; to build and boot it: doit boot:{text}")
        return super().convert(value, param, ctx)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
)
@click.option(
    "--certificate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Refuse images that no key of a certificate in this file has signed.",
)
def check(paths: tuple[Path, ...], output: str, certificate: Path | None) -> None:
    """Apply the rules to images or folders, whoever made them.

    The exit status is 1 when a rule is broken. `bakery rules` lists the rules.
    """
    from bakery.check import render
    from bakery.check.command import check_paths
    from bakery.image.verity.signing import Certificates

    formats = {
        "text": render.text,
        "json": render.json,
        "sarif": render.sarif,
        "github": render.github,
    }
    certificates = Certificates.of(str(certificate)) if certificate else None
    reports = check_paths(paths, certificates=certificates)
    text = formats[output](reports)
    click.echo(fitted(text) if output == "text" else text)
    if any(report.errors for report in reports):
        raise SystemExit(1)


@click.command()
def rules() -> None:
    """List the rules that images must keep."""
    from bakery.check import render

    click.echo(render.rules())


@click.command()
@click.argument("images", nargs=-1, required=True, type=ImageFile())
@click.option(
    "--then",
    multiple=True,
    type=ImageFile(),
    help="A newer image, merged in the running system.",
)
@click.option(
    "--on",
    "machines",
    multiple=True,
    metavar="MACHINE",
    help="Where, such as nspawn:trixie; on the `machines` of `bakery settings` unless given.",
)
@click.option("--start", multiple=True, metavar="UNIT", help="A unit that must be active.")
@click.option(
    "--check",
    "expected",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What must hold, as in a recipe's check.yaml.",
)
@click.option("--shell", is_flag=True, help="Look around in the booted system.")
def boot(
    images: tuple[Path, ...],
    then: tuple[Path, ...],
    machines: tuple[str, ...],
    start: tuple[str, ...],
    expected: Path | None,
    *,
    shell: bool,
) -> None:
    """Boot a throw-away system with image files, whoever made them, and see whether it holds.

    NAME-VERSION-ARCH.raw is merged as NAME, which its release file must carry. The journal stays
    in the store. The exit status is 1 when something does not hold.
    """
    from bakery.boot.command import boot_files
    from bakery.display import told

    settings = Project().settings
    reports: list[str] = []
    with told(f"boot:{images[-1].stem}", live=not shell) as tell:
        passed = boot_files(
            images,
            then=then,
            machines=machines or settings.machines,
            settings=settings,
            start=start,
            expected=expected,
            shell=shell,
            echo=reports.append,
            tell=tell,
        )
    click.echo(fitted("\n".join(reports)))
    if not passed:
        raise SystemExit(1)


@click.command()
def machines() -> None:
    """Make the systems that boots use, where they are not there yet; print their folders."""
    from bakery.boot.command import make_systems
    from bakery.display import told

    settings = Project().settings
    with told("make:", live=True) as tell:
        folders = make_systems(settings.machines, settings, tell)
    for folder in folders:
        click.echo(folder)


@click.command()
@click.argument(
    "images",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--root-hash", is_flag=True, help="Only print what is to be signed elsewhere.")
@click.option(
    "--signature",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What was signed elsewhere: detached PKCS#7, in DER or PEM.",
)
def sign_image(images: tuple[Path, ...], signature: Path | None, *, root_hash: bool) -> None:
    """Sign images for dm-verity, or join them with signatures made elsewhere.

    The key is BAKERY_VERITY_KEY's, its certificate BAKERY_VERITY_CERTIFICATE's. Where the key is in
    a token or a service, `--root-hash > FILE` writes what that must sign, as `openssl smime -sign
    -binary -noattr -outform der` does, and `--signature` takes what comes back.
    """
    from bakery.image.verity import command
    from bakery.image.verity.signing import Certificates

    if len(images) > 1 and (root_hash or signature):
        raise click.UsageError("give one image: each has a root hash of its own")
    if root_hash:
        end = "\n" if sys.stdout.isatty() else ""  # what is signed has none
        click.echo(command.root_hash(images[0]) + end, nl=False)
        return
    certificates = Certificates.configured(Project().settings)
    for image in images:
        signer = command.sign(image, certificates, signature)
        click.echo(f"{image}  signed by {signer}")
