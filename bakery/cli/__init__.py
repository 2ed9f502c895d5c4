"""The `bakery` command, for all that is not a task of the build graph.

Each command imports what it needs when it runs, so that `bakery --help` is fast.
"""

from __future__ import annotations

import click

from bakery.cli import (
    channels,
    hosts,
    images,
    maintenance,
    mirror,
    recipes,
    releases,
    site,
    upstreams,
)
from bakery.cli.failures import CommandGroup


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sysext-bakery")
def main() -> None:
    """Build, test and publish systemd-sysext images.

    Images are built by doit: `doit list` is the menu, `doit build:NAME` bakes. This command has
    what goes around that.
    """


for command in (
    *(recipes.new, recipes.lint, recipes.list_members, recipes.why, recipes.try_recipe),
    *(upstreams.lock, upstreams.update, upstreams.outdated),
    *(upstreams.verify, upstreams.sources),
    *(images.check, images.rules, images.boot, images.machines, images.sign_image),
    *(releases.matrix, releases.agree, releases.restore, releases.times),
    *(releases.publish, releases.verify_release),
    *(channels.sign_channels, channels.move_channels),
    *(hosts.provision, hosts.install, hosts.uninstall, hosts.torcx),
    *(mirror.mirror, site.site),
    *(maintenance.show_settings, maintenance.stats, maintenance.gc),
    *(maintenance.schema, maintenance.reference),
):
    main.add_command(command)
