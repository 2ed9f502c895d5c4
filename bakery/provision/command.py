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
from bakery.provision.plan import plan
from bakery.recipe.template import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bakery.provision.extension import Extension, Wanted
    from bakery.provision.plan import Choices, HostSystem
    from bakery.settings import Settings

Output = Literal["butane", "ignition", "cloud-init", "shell", "clc"]


def provision(
    references: Sequence[str],
    wanted: Wanted,
    choices: Choices,
    *,
    settings: Settings,
    output: Output,
    mirror: str | None = None,
) -> str:
    """Return a configuration as text; see `extension.resolve` and `plan.plan`.

    Args:
        references: what hosts are to run.
        wanted: what of it.
        choices: how they run it.
        settings: where it is, and where it is published.
        output: the format.
        mirror: where hosts download, `https://host/path` as `MIRROR/host/path`; None for there.

    Raises:
        ProvisionError: an extension does not exist, or can't be installed in this way.
        ReleaseError: a signature is missing or wrong.

    """
    _refuse_addresses(output, mirror, choices.proxy)
    extensions = _resolved(references, wanted, choices, settings)
    if not choices.offline:
        _refuse_local_address(settings, extensions)
        _refuse_files(extensions, output)
    if mirror is not None:
        extensions = [extension.mirrored(each, mirror) for each in extensions]
    script = output in ("shell", "cloud-init")
    host = choices.host or ("any" if script else "flatcar")
    config = plan(extensions, replace(choices, host=host, fetches=script))
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
    reference: str, root: Path, wanted: Wanted, choices: Choices, settings: Settings
) -> list[str]:
    """Install an extension into a root file system; see `extension.resolve`, `install.install`.

    Raises:
        ProvisionError: the extension does not exist, or can't be installed there.
        ReleaseError: a signature is missing or wrong.

    """
    (resolved,) = _resolved([reference], wanted, choices, settings)
    alone = replace(resolved, requires=())  # those may be installed already
    return installing.install(resolved, plan([alone], choices), root)


def _resolved(
    references: Sequence[str], wanted: Wanted, choices: Choices, settings: Settings
) -> list[Extension]:
    """Return what references name: hosts that enforce merge only what has dm-verity data."""
    wanted = replace(wanted, verity=wanted.verity or choices.enforce)
    return [extension.resolve(each, settings=settings, wanted=wanted) for each in references]


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
