"""Write configurations that install extensions on hosts, and install them into a mounted root."""

from __future__ import annotations

import re
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
from bakery.provision.extension import Wanted
from bakery.provision.plan import plan
from bakery.recipe.template import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.provision.extension import Extension
    from bakery.provision.plan import HostSystem, UpdatePolicy
    from bakery.settings import Settings

_SCRIPTS = ("shell", "cloud-init")
Output = Literal["butane", "ignition", "cloud-init", "shell", "clc"]


def provision(
    references: Sequence[str],
    *,
    settings: Settings,
    output: Output,
    host: HostSystem | None,
    arch: Arch,
    policy: UpdatePolicy,
    offline: bool,
    unsigned: bool,
    newest: bool = False,
    keyring: Path | None = None,
    mirror: str | None = None,
    proxy: str | None = None,
    verity: bool = False,
    enforce: bool = False,
) -> str:
    """Return a configuration as text; see `extension.resolve` and `plan.plan`.

    Args:
        references: what hosts are to run.
        settings: where it is, and where it is published.
        output: the format.
        host: their system; None for any where a script looks by itself, and else for Flatcar.
        arch: their architecture.
        policy: what they do after an update.
        offline: whether the images are in it.
        unsigned: whether to follow channels that are not signed.
        newest: whether hosts take what is newest when they first boot.
        keyring: keys that must have signed it.
        mirror: where hosts download, `https://host/path` as `MIRROR/host/path`; None for there.
        proxy: what they download with.
        verity: whether they run the images that have dm-verity data.
        enforce: whether they run those alone, if they are signed.

    Raises:
        ProvisionError: an extension does not exist, or can't be installed in this way.
        ReleaseError: a signature is missing or wrong.

    """
    _refuse_addresses(output, mirror, proxy)
    wanted = Wanted(arch=arch, verity=verity or enforce, keyring=keyring)
    extensions = [extension.resolve(each, settings=settings, wanted=wanted) for each in references]
    if not offline:
        _refuse_local_address(settings, extensions)
        _refuse_files(extensions, output)
    if mirror is not None:
        extensions = [extension.mirrored(each, mirror) for each in extensions]
    if host is None:
        host = "any" if output in _SCRIPTS else "flatcar"
    config = plan(
        extensions,
        host=host,
        policy=policy,
        offline=offline,
        unsigned=unsigned,
        newest=newest,
        proxy=proxy,
        enforce=enforce,
        fetches=output in _SCRIPTS,
    )
    match output:
        case "butane":
            return butane.render(config, _variant(host))
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
    verity: bool = False,
    enforce: bool = False,
) -> list[str]:
    """Install an extension into a root file system; see `extension.resolve`, `install.install`.

    Raises:
        ProvisionError: the extension does not exist, or can't be installed there.
        ReleaseError: a signature is missing or wrong.

    """
    wanted = Wanted(arch=arch, verity=verity or enforce, keyring=keyring)
    resolved = extension.resolve(reference, settings=settings, wanted=wanted)
    alone = replace(resolved, requires=())  # those may be installed already
    config = plan([alone], host=host, policy=policy, unsigned=unsigned, enforce=enforce)
    return installing.install(resolved, config, root)


def _variant(host: HostSystem) -> butane.Variant:
    """Return Butane's variant for a system.

    Raises:
        ProvisionError: there is none.

    """
    if host == "any":
        raise ProvisionError(
            "Butane's configurations are for Flatcar or for Fedora CoreOS",
            why="each of its variants is for one of them",
            fix="say --host flatcar or --host fcos; other systems take --format ignition, "
            "cloud-init or shell",
        )
    return host


def _refuse_addresses(output: Output, mirror: str | None, proxy: str | None) -> None:
    for option, url in (("--mirror", mirror), ("--proxy", proxy)):
        if url is not None and not re.fullmatch(rf"(?!.*[\"\\])https?://{ADDRESS}", url):
            raise ProvisionError(
                f"{option} takes an address",
                where=url,
                fix=f"as in {option} http://cache.example:3128",
            )
    if proxy is not None and output == "clc":
        raise ProvisionError(
            "Ignition 2 can't download with a proxy",
            fix="give --mirror instead, or --offline",
        )


def _refuse_files(extensions: Sequence[Extension], output: Output) -> None:
    """Refuse addresses that only this computer can read; a script may find them on a medium."""
    local = [each.url for each in extensions if each.url.startswith("file:")]
    if local and output != "shell":
        raise ProvisionError(
            "machines can't download from a folder of this computer",
            where=local[0],
            fix="set BAKERY_PUBLISH_URL to where the images are published, as in "
            '"https://…"; or give --offline',
        )


def _refuse_local_address(settings: Settings, extensions: Sequence[Extension]) -> None:
    """Refuse the default address, which is this computer's: hosts would not reach it."""
    local = any(each.url.startswith(settings.publish_url) for each in extensions)
    if settings.is_published_nowhere and local:
        raise ProvisionError(
            "nobody has said where machines find the images",
            fix='set BAKERY_PUBLISH_URL, or publish_url below [tool.bakery], as in "https://…"; '
            "or give --offline",
        )
