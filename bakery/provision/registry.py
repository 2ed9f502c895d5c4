"""Hosts and registries: systemd-sysupdate and Ignition speak HTTP alone, so a program fetches.

For channels it stands behind a socket on loopback, as a web server that has what registries have:
`oci://HOST/PATH/CHANNEL` is http://127.0.0.1:17716/HOST/PATH/CHANNEL there. It has no rights, and
answers root alone, about channels that the host follows.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.provision.errors import ProvisionError
from bakery.provision.host_config import HostFile, shipped_unit
from bakery.registry.reference import SCHEME, Reference
from bakery.release import sysupdate

if TYPE_CHECKING:
    from bakery.provision.extension import Component
    from bakery.provision.host_config import HostUnit

PROGRAM = "/opt/bin/extensions-registry"
TEXT = Path(__file__).with_name("registry.sh").read_bytes()
_HERE = "127.0.0.1:17716"


def image(repository: str, sha256: str) -> str:
    """Return the address of an image in a registry: it is a blob there.

    Raises:
        ProvisionError: the program can't ask for it.

    """
    return str(replace(_parsed(repository), digest=f"sha256:{sha256}"))


def followed(component: Component) -> bool:
    """Return whether a host that has a component follows it in a registry."""
    return any(b"\nPath=" + SCHEME.encode() in text for text in component.transfers.values())


def reached(transfer: bytes) -> bytes:
    """Return a transfer definition by which systemd-sysupdate reaches a registry.

    Raises:
        ProvisionError: the program can't ask for what it names.

    """
    return sysupdate.moved(transfer, _reached)


def _reached(url: str) -> str:
    if not url.startswith(SCHEME):
        return url
    _parsed(url.rpartition("/")[0])
    return f"http://{_HERE}/{url.removeprefix(SCHEME)}"


def _parsed(address: str) -> Reference:
    try:
        found = Reference.parse(address)
    except ValueError as error:
        raise ProvisionError(
            "hosts can't find a registry at this address", where=address, fix=f"give {error}"
        ) from None
    if "[" in found.host:
        raise ProvisionError(
            "hosts ask registries by their names", where=address, fix="give it a name in DNS"
        )
    return found


def program() -> HostFile:
    """Return the program as it is laid on a host."""
    return HostFile(path=PROGRAM, contents=TEXT, mode=0o755, shared=True)


def units() -> tuple[HostUnit, ...]:
    """Return what runs it when systemd-sysupdate asks.

    It has the logins of this host for its eyes only; where there are none, an empty table.
    """
    return shipped_unit("extensions-registry.socket"), shipped_unit("extensions-registry@.service")
