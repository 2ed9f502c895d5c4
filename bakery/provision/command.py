"""Write configurations that install extensions on hosts, and install them into a mounted root."""

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
from bakery.provision.errors import ProvisionError
from bakery.provision.plan import plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.provision.extension import Extension
    from bakery.provision.plan import HostSystem, UpdatePolicy
    from bakery.settings import Settings

Output = Literal["butane", "ignition", "cloud-init", "shell", "clc"]


def provision(
    references: Sequence[str],
    *,
    settings: Settings,
    output: Output,
    host: HostSystem,
    arch: Arch,
    policy: UpdatePolicy,
    offline: bool,
    unsigned: bool,
    keyring: Path | None = None,
) -> str:
    """Return a configuration as text; see `extension.resolve` and `plan.plan`.

    Raises:
        ProvisionError: an extension does not exist, or can't be installed in this way.
        ReleaseError: a signature is missing or wrong.

    """
    extensions = [
        extension.resolve(each, settings=settings, arch=arch, keyring=keyring)
        for each in references
    ]
    if not offline:
        _refuse_local_address(settings, extensions)
    config = plan(extensions, host=host, policy=policy, offline=offline, unsigned=unsigned)
    match output:
        case "butane":
            return butane.render(config, "fcos" if host == "fcos" else "flatcar")
        case "ignition":
            return ignition.render(config)
        case "cloud-init":
            return cloud_init.render(config)
        case "shell":
            return shell.render(config)
        case "clc":
            return container_linux.render(config)


def install(
    reference: str,
    root: Path,
    *,
    settings: Settings,
    host: HostSystem,
    arch: Arch,
    policy: UpdatePolicy,
    unsigned: bool,
    keyring: Path | None = None,
) -> list[str]:
    """Install an extension into a root file system; see `extension.resolve`, `install.install`.

    Raises:
        ProvisionError: the extension does not exist, or can't be installed there.
        ReleaseError: a signature is missing or wrong.

    """
    resolved = extension.resolve(reference, settings=settings, arch=arch, keyring=keyring)
    alone = replace(resolved, requires=())  # those may be installed already
    config = plan([alone], host=host, policy=policy, unsigned=unsigned)
    return installing.install(resolved, config, root)


def _refuse_local_address(settings: Settings, extensions: Sequence[Extension]) -> None:
    """Refuse the default address, which is this computer's: hosts would not reach it."""
    url = settings.publish_url
    by_default = settings.origins.get("publish_url") == "default" and "//localhost" in url
    if by_default and any(each.url.startswith(url) for each in extensions):
        raise ProvisionError(
            "nobody has said where machines find the images",
            fix='set BAKERY_PUBLISH_URL, or publish_url below [tool.bakery], as in "https://…"; '
            "or give --offline",
        )
