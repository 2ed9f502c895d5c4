"""Write what machines need, in the format that sets them up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from bakery.provision import (
    butane,
    cloud_init,
    container_linux,
    extension,
    ignition,
    shell,
)
from bakery.provision import install as installing
from bakery.provision.place import ProvisionError
from bakery.provision.plan import plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.provision.extension import Extension
    from bakery.provision.plan import Host, Policy
    from bakery.settings import Settings

Output = Literal["butane", "ignition", "cloud-init", "shell", "clc"]


def provision(
    references: Sequence[str],
    *,
    settings: Settings,
    output: Output,
    host: Host,
    arch: Arch,
    policy: Policy,
    offline: bool,
    unsigned: bool,
    keyring: Path | None = None,
) -> str:
    """Return a configuration for what users name; see `extension.find` and `plan.plan`.

    Raises:
        ProvisionError: a machine can't be given that.

    """
    found = [
        extension.find(each, settings=settings, arch=arch, keyring=keyring) for each in references
    ]
    if not offline:
        _refuse_nowhere(settings, found)
    machine = plan(found, host=host, policy=policy, offline=offline, unsigned=unsigned)
    match output:
        case "butane":
            return butane.render(machine, "fcos" if host == "fcos" else "flatcar")
        case "ignition":
            return ignition.render(machine)
        case "cloud-init":
            return cloud_init.render(machine)
        case "shell":
            return shell.render(machine)
        case "clc":
            return container_linux.render(machine)


def install(
    reference: str,
    root: Path,
    *,
    settings: Settings,
    host: Host,
    arch: Arch,
    policy: Policy,
    unsigned: bool,
    keyring: Path | None = None,
) -> list[str]:
    """Lay what a user names into a root file system; see `install.install`.

    Raises:
        ProvisionError: that can't be done.

    """
    found = extension.find(reference, settings=settings, arch=arch, keyring=keyring)
    alone = replace(found, requires=())  # others may be there already
    machine = plan([alone], host=host, policy=policy, unsigned=unsigned)
    return installing.install(found, machine, root)


def _refuse_nowhere(settings: Settings, found: Sequence[Extension]) -> None:
    """Refuse addresses of this very computer that nobody chose: machines would not find it."""
    url = settings.publish_url
    by_default = settings.origins.get("publish_url") == "default" and "//localhost" in url
    if by_default and any(each.url.startswith(url) for each in found):
        raise ProvisionError(
            "nobody has said where machines find the images",
            fix='set BAKERY_PUBLISH_URL, or publish_url below [tool.bakery], as in "https://…"; '
            "or give --offline",
        )
