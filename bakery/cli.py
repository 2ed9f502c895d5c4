"""The `bakery` command: what is not a task of the build graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bakery import schemas, sizes
from bakery import settings as settings_module
from bakery.errors import BakeryError
from bakery.names import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bakery.recipe.load import Source
    from bakery.recipe.matrix import Release
    from bakery.settings import Settings
    from bakery.workshop import Workshop


class _Explaining(click.Group):
    """A group of commands whose failures are explained, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end with status 1 and the explanation if it fails."""
        try:
            return super().invoke(ctx)
        except BakeryError as error:
            click.echo(f"{click.style('error:', fg='red', bold=True)} {error.render()}", err=True)
            ctx.exit(1)


@click.group(cls=_Explaining, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sysext-bakery")
def main() -> None:
    """Build, test and publish systemd-sysext images.

    Images are built by doit: `doit list` is the menu, `doit build:NAME` bakes. This command has
    what goes around that.
    """


def _project() -> Path:
    """Return the project's folder: the current one or the first above it with a dodo.py."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dodo.py").is_file():
            return folder
    return here


def _settings() -> Settings:
    return settings_module.load(_project())


def _sources(settings: Settings) -> dict[str, Source]:
    from bakery.recipe.load import load_all  # noqa: PLC0415  not for `bakery --help`

    return load_all(settings.recipes)


def _source(name: str, sources: Mapping[str, Source]) -> Source:
    if name not in sources:
        near = nearest(name, sources)
        raise BakeryError(
            f"there is no recipe {name}",
            fix=f"did you mean {near}?" if near else f"there are: {', '.join(sources)}",
        )
    return sources[name]


def _chosen(names: Iterable[str], sources: Mapping[str, Source]) -> dict[str, Source]:
    return {name: _source(name, sources) for name in names} or dict(sources)


def _end(failed: Sequence[tuple[str, BakeryError]]) -> None:
    """Report what failed, and end with status 1 if anything did."""
    for name, error in failed:
        click.echo(f"{click.style(f'{name}:', fg='red', bold=True)} {error.render()}", err=True)
    if failed:
        raise SystemExit(1)


_markdown = click.option("--markdown", is_flag=True, help="Write it for a pull request.")


@main.command()
@click.argument("name")
@click.argument("version", required=False)
@click.option(
    "--part", "parts", multiple=True, metavar="PART=VERSION", help="Choose a part's version."
)
def lock(name: str, version: str | None, parts: tuple[str, ...]) -> None:
    """Pin all assets of one VERSION of the recipe NAME in its lock.json.

    Without VERSION, of all that the recipe's build: asks for and the lock lacks. Assets are
    downloaded and hashed; upstream's checksum file is compared where the recipe names one. What is
    locked already never changes silently.
    """
    from bakery.locking import lock_version  # noqa: PLC0415  requests is heavy
    from bakery.recipe.version import Version  # noqa: PLC0415  with it

    chosen = dict(_pair(part) for part in parts)
    settings = _settings()
    sources = _sources(settings)
    source = _source(name, sources)
    if version is None:
        _update({name: source}, sources, settings, parts=chosen)
        return
    try:
        Version.parse(version)
    except ValueError as error:
        raise BakeryError(str(error), fix="give it as upstream tags it") from None
    locked = lock_version(source, version, sources=sources, settings=settings, parts=chosen)
    for part, found in locked.parts.items():
        click.echo(f"{part} {found}")
    for asset in locked.assets:
        size = sizes.text(asset.size) if asset.size is not None else ""
        click.echo(f"{asset.sha256}  {size:>10}  {asset.trust:<13}  {asset.url}")
    click.echo(f"locked; build it with: doit build:{name}-{version}")


@main.command()
@click.argument("name")
@click.option("--github", metavar="OWNER/REPO", help="Its releases.")
@click.option("--pypi", metavar="PROJECT", help="Its wheels on the package index.")
@click.option("--url", metavar="ADDRESS", help="An address with {version}, and perhaps {arch}.")
@click.option("--version", help="Which version; the newest by default.")
@click.option("--unit", is_flag=True, help="Add a hardened service, to start from.")
def new(name: str, version: str | None, *, unit: bool, **places: str | None) -> None:
    """Write a recipe NAME for a project, and lock a version of it.

    The project's files for Linux are opened, to see what they hold. What was chosen and why is
    told, and what to do next.
    """
    from bakery.scaffold.create import create  # noqa: PLC0415  requests is heavy

    given = [(kind, place) for kind, place in places.items() if place]
    if len(given) != 1:
        raise BakeryError(
            "the project must be named in one way",
            fix="give --github OWNER/REPO, --pypi PROJECT or --url ADDRESS",
        )
    ((kind, place),) = given
    create(name, kind, place, settings=_settings(), version=version, unit=unit, echo=click.echo)


@main.command()
@click.argument("names", nargs=-1)
@click.option("--prune", is_flag=True, help="Drop versions that build: does not ask for.")
@_markdown
def update(names: tuple[str, ...], *, prune: bool, markdown: bool) -> None:
    """Lock what the recipes' build: asks for and their locks lack.

    All recipes, or those NAMES, side by side. One that fails stops no other; the exit status is
    then 1.
    """
    settings = _settings()
    sources = _sources(settings)
    _update(_chosen(names, sources), sources, settings, prune=prune, markdown=markdown)


def _update(
    chosen: Mapping[str, Source],
    sources: Mapping[str, Source],
    settings: Settings,
    *,
    parts: Mapping[str, str] | None = None,
    prune: bool = False,
    markdown: bool = False,
) -> None:
    from bakery import bulletin, updating  # noqa: PLC0415  requests is heavy

    done = []
    for one in updating.update(
        chosen, sources=sources, settings=settings, parts=parts, prune=prune
    ):
        click.echo(bulletin.update_line(one), err=markdown)
        done.append(one)
    failed = [(one.name, error) for one in done for error in one.failures]
    if markdown:
        click.echo(bulletin.updates(done) + bulletin.failures(failed))
    _end(failed)


@main.command()
@click.argument("names", nargs=-1)
@_markdown
def outdated(names: tuple[str, ...], *, markdown: bool) -> None:
    """Show the newest locked version of recipes beside upstream's newest, and how old that is.

    The exit status is 1 when an upstream could not be asked.
    """
    import datetime as dt  # noqa: PLC0415  with them

    from bakery import bulletin, updating  # noqa: PLC0415  requests is heavy

    settings = _settings()
    found = updating.standings(_chosen(names, _sources(settings)), settings)
    failed = [(one.name, one.failure) for one in found if one.failure]
    click.echo(bulletin.standings(found, dt.datetime.now(dt.UTC).date(), markdown=markdown))
    if markdown:
        click.echo(bulletin.failures(failed))
    _end(failed)


@main.command()
@click.argument("names", nargs=-1)
@click.option("--download", is_flag=True, help="Have the assets themselves again, and hash them.")
@_markdown
def verify(names: tuple[str, ...], *, download: bool, markdown: bool) -> None:
    """Ask upstream again about every locked asset, whether it is there and still the same.

    Checksum files, signatures and the digests of indexes are had again. A file that upstream has
    changed is an alarm; the exit status is then 1, and nothing is updated.
    """
    from bakery import bulletin, verifying  # noqa: PLC0415  requests is heavy

    settings = _settings()
    chosen = _chosen(names, _sources(settings))
    found = list(verifying.verify(chosen, settings, download=download))
    failed = [(f"{one.name} {one.tag}", one.failure) for one in found if one.failure]
    click.echo(bulletin.findings(found, markdown=markdown))
    if markdown:
        click.echo(bulletin.failures(failed))
    _end(failed)


def _pair(text: str) -> tuple[str, str]:
    part, found, version = text.partition("=")
    if not (part and found and version):
        raise BakeryError(f"{text!r} names no part and version", fix="write --part cni=v1.6.2")
    return part, version


@main.command()
@click.argument("kind", type=click.Choice(schemas.NAMES), default="recipe")
def schema(kind: str) -> None:
    """Print the JSON Schema of recipe.yaml or release.json."""
    click.echo(schemas.text(kind), nl=False)


@main.command("verify-release")
@click.argument("place", metavar="URL|FOLDER")
@click.option(
    "--keyring",
    type=click.Path(path_type=Path),
    default="/etc/systemd/import-pubring.gpg",
    show_default=True,
    help="The keys that may have signed it; this host's own unless given.",
)
@click.option("--unsigned", is_flag=True, help="Do without a signature.")
def verify_release(place: str, keyring: Path, *, unsigned: bool) -> None:
    """Check a release or a channel as a consumer: signature, digests, names, release.json.

    Everything is read once, from a folder or over HTTP; nothing is kept.
    """
    from bakery.release.verify import verify  # noqa: PLC0415  only here

    for good in verify(place, keyring=None if unsigned else keyring):
        click.echo(f"{good.name:<44} {sizes.text(good.size):>10}  {good.what}")
    click.echo(f"{place} is as it should be{', but for a signature' if unsigned else ''}")


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
)
def check(paths: tuple[Path, ...], output: str) -> None:
    """Apply the rules to images or folders, whoever made them.

    The exit status is 1 when a rule is broken. `bakery rules` lists the rules.
    """
    from bakery.check import render  # noqa: PLC0415  only here
    from bakery.check.command import check_paths  # noqa: PLC0415  with it

    reports = check_paths(paths)
    click.echo(getattr(render, output)(reports))
    if any(report.errors for report in reports):
        raise SystemExit(1)


@main.command()
def rules() -> None:
    """List the rules that images must keep."""
    from bakery.check import render  # noqa: PLC0415  only here

    click.echo(render.rules())


@main.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--then",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="A newer image, merged in the running system.",
)
@click.option("--on", "machines", multiple=True, metavar="MACHINE", help="Such as nspawn:trixie.")
@click.option("--start", multiple=True, metavar="UNIT", help="A unit that must be active.")
@click.option("--check", "expected", type=click.Path(path_type=Path), help="A check.yaml.")
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

    NAME-VERSION-ARCH.raw is merged as NAME, which its release file must carry.
    """
    from bakery.check.boot.command import boot_files  # noqa: PLC0415  only here

    settings = _settings()
    passed = boot_files(
        images,
        then=then,
        machines=machines or settings.machines,
        settings=settings,
        start=start,
        expected=expected,
        shell=shell,
        echo=click.echo,
    )
    if not passed:
        raise SystemExit(1)


@main.command()
@click.option(
    "--limit", default="20G", metavar="SIZE", show_default=True, help="What the store may keep."
)
@click.option("--all", "everything", is_flag=True, help="Even what this project's locks name.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def gc(limit: str, *, everything: bool, dry_run: bool) -> None:
    """Remove the least recently used assets from the store until it is below a limit.

    Assets that this project's locks name stay, whatever the limit.
    """
    from bakery.store.folder import Store  # noqa: PLC0415  only here
    from bakery.store.gc import collect  # noqa: PLC0415  only here

    settings = _settings()
    keep = set() if everything else _locked_digests(settings)
    gone = collect(Store(settings.store), sizes.parse(limit), keep, dry_run=dry_run)
    verb = "would go" if dry_run else "removed"
    click.echo(
        f"{verb}: {len(gone.blobs)} assets and {gone.partials} unfinished downloads, "
        f"{sizes.text(gone.freed)}; {sizes.text(gone.left)} stay in {settings.store}"
    )


def _locked_digests(settings: Settings) -> set[str]:
    return {
        asset.sha256
        for source in _sources(settings).values()
        for locked in source.lock.versions.values()
        for asset in locked.assets
    }


_arch = click.option(
    "--arch", type=click.Choice(["x86-64", "arm64"]), default="x86-64", show_default=True
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
    help="Refuse what none of the keys in this file has signed.",
)


@main.command()
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
    default="flatcar",
    show_default=True,
    help="The system on it.",
)
@click.option("--offline", is_flag=True, help="Embed the images, which must be small.")
@_arch
@_policy
@_unsigned
@_keyring
def provision(references: tuple[str, ...], **options: Any) -> None:
    """Write what a new machine needs to run extensions.

    A release, such as docker-20.10.13, or an image stays as it is; a channel, such as docker, is
    followed. All may be paths or addresses as well.
    """
    from bakery.provision import command  # noqa: PLC0415  only here

    click.echo(command.provision(references, settings=_settings(), **options), nl=False)


_root = click.option(
    "--root",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The root of a mounted file system.",
)


@main.command()
@click.argument("reference", metavar="IMAGE|RELEASE|CHANNEL")
@_root
@click.option("--host", type=click.Choice(["flatcar", "fcos", "any"]), default="any")
@_arch
@_policy
@_unsigned
@_keyring
def install(reference: str, root: Path, **options: Any) -> None:
    """Lay an extension into a root file system, such as a golden image's.

    Of a channel, the files that make hosts follow it as well.
    """
    from bakery.provision import command  # noqa: PLC0415  only here

    for path in command.install(reference, root, settings=_settings(), **options):
        click.echo(path)


@main.command()
@click.argument("name")
@_root
def uninstall(name: str, root: Path) -> None:
    """Take an extension out of a root file system again."""
    from bakery.provision.install import uninstall as remove  # noqa: PLC0415  only here

    for path in remove(name, root):
        click.echo(path)


@main.command()
@click.option("--shards", type=int, default=20, show_default=True, help="How many jobs at most.")
@click.option("--since", metavar="REF", help="Only what has changed since this commit.")
@click.option("--unpublished", is_flag=True, help="Only releases that are not published.")
def matrix(shards: int, since: str | None, *, unpublished: bool) -> None:
    """Print which images each job of a workflow is to bake and boot, as JSON for its matrix.

    Jobs are balanced by how long images took here before, or by their assets' sizes.
    """
    import msgspec  # noqa: PLC0415  only here

    from bakery import shards as dividing  # noqa: PLC0415  only here

    workshop, releases = _bakeable()
    sources = {release.source.name: release.source for release in releases}
    images = [image for release in releases for image in release.images]
    if since is not None:
        images = dividing.touched(releases, sources, workshop.settings, since)
    if unpublished:
        from bakery.publishing import Publishing  # noqa: PLC0415  only here

        public = Publishing(workshop).public()
        images = [image for image in images if image.release not in public]
    click.echo(msgspec.json.encode(dividing.matrix(images, workshop.ledger, shards)))


@main.command()
def restore() -> None:
    """Take over images that were baked elsewhere and copied into the output folder.

    What is then complete is printed as tasks for doit.
    """
    from bakery.restoring import restore as take_over  # noqa: PLC0415  only here

    for release in take_over(*_bakeable()):
        click.echo(f"publish:{release.name}")


def _bakeable() -> tuple[Workshop, list[Release]]:
    from bakery.recipe.matrix import releases  # noqa: PLC0415  not for `bakery --help`
    from bakery.workshop import Workshop  # noqa: PLC0415  with it

    settings = _settings()
    sources = _sources(settings)
    found = [release for source in sources.values() for release in releases(source)]
    return Workshop(settings), found


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("name", required=False)
@click.option("--os", metavar="ID:VERSION_ID", help="The only system that may merge it.")
@click.option("--recipe", is_flag=True, help="Write a recipe to keep, and no image.")
def torcx(file: Path, name: str | None, os: str | None, *, recipe: bool) -> None:
    """Convert the Torcx image FILE to an extension, called NAME, in the current folder.

    Images with dynamic programs need --os, since they fit one version of one system. The exit
    status is 1 when the image breaks a rule.
    """
    from bakery.check import render  # noqa: PLC0415  only here
    from bakery.provision import torcx_build  # noqa: PLC0415  with it
    from bakery.provision.torcx import convert  # noqa: PLC0415  with it

    settings = _settings()
    if recipe:
        done = convert(file, name, os, settings.recipes)
        click.echo(f"wrote {settings.recipes / done.name}; build it with: doit build:{done.name}")
        click.echo(done.told())
        return
    done, image, report = torcx_build.build(file, name, os, Path.cwd(), settings)
    click.echo(f"wrote {image.name}")
    click.echo(done.told())
    click.echo(render.text([report]))
    if report.errors:
        raise SystemExit(1)


@main.command("settings")
def show_settings() -> None:
    """Print every setting, its value, and where it comes from."""
    settings = _settings()
    for name in settings_module.NAMES:
        value = getattr(settings, name)
        if isinstance(value, tuple):
            value = " ".join(value)
        if value is None or isinstance(value, bool):
            value = {None: "-", True: "yes", False: "no"}[value]
        click.echo(f"{name:<8} {value!s:<44} {settings.origins[name]}")


if __name__ == "__main__":
    main()
