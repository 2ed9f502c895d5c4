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
from bakery.provision.host_config import HostFile, HostUnit
from bakery.registry.reference import SCHEME, Reference
from bakery.release import sysupdate

if TYPE_CHECKING:
    from bakery.provision.extension import Component, Extension

PROGRAM = "/opt/bin/extensions-registry"
TEXT = Path(__file__).with_name("registry.sh").read_bytes()
LOGINS = "/etc/extensions.d/registries.json"
_HERE = "127.0.0.1:17716"
_SOCKET = f"""\
[Unit]
Description=Registries, for systemd-sysupdate

[Socket]
ListenStream={_HERE}
Accept=yes
MaxConnections=16

[Install]
WantedBy=sockets.target
"""
# With the logins of this host for its eyes only; where there are none, an empty table
_SERVICE = f"""\
[Unit]
Description=A file of a registry, for systemd-sysupdate
CollectMode=inactive-or-failed

[Service]
ExecStart={PROGRAM}
StandardInput=socket
StandardOutput=socket
StandardError=journal
SyslogIdentifier=extensions-registry
LoadCredential=registries.json:{LOGINS}
SetCredential=registries.json:{{}}
DynamicUser=yes
CapabilityBoundingSet=
PrivateDevices=yes
ProtectHome=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
MemoryMax=64M
TasksMax=16
"""
_FETCH = f"""\
[Unit]
Description=Fetch the extension {{name}} from a registry, which this host does not have yet
ConditionPathExists=!/etc/extensions/{{name}}.raw
Wants=network-online.target
After=network-online.target
Before=multi-user.target

[Service]
Type=oneshot
ExecStart={PROGRAM} install {{name}} {{file}} {{url}} {{size}}

[Install]
WantedBy=multi-user.target
"""


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
    """Return what runs it when systemd-sysupdate asks."""
    return (
        HostUnit(
            name="extensions-registry.socket",
            text=_SOCKET,
            wanted_by="sockets.target",
            shared=True,
        ),
        HostUnit(name="extensions-registry@.service", text=_SERVICE, shared=True),
    )


def first(extension: Extension, file: str) -> HostUnit:
    """Return what fetches and merges an image when a host first boots."""
    text = _FETCH.format(name=extension.name, file=file, url=extension.url, size=extension.size)
    name = f"extensions-first-{extension.name}.service"
    return HostUnit(name=name, text=text, wanted_by="multi-user.target")
