"""Plan what a host gets to run extensions, and to keep them up to date."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from bakery.provision import record
from bakery.provision.errors import ProvisionError
from bakery.provision.host_config import (
    HostConfig,
    HostFile,
    HostLink,
    HostUnit,
    InlineContents,
    RemoteContents,
    unit_files,
)
from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bakery.provision.extension import Component, Extension

HostSystem = Literal["flatcar", "fcos", "any"]
UpdatePolicy = Literal["reload", "reboot"]

KEYRING = "/etc/systemd/import-pubring.gpg"
EXTENSIONS = "/etc/extensions"
IMAGES = record.FOLDER
EMBEDDABLE = 16 << 20

_HOST_IDS: dict[HostSystem, str] = {"flatcar": "flatcar", "fcos": "fedora"}
_BUILT_IN = "-flatcar"  # how Flatcar's built-in extensions end
_TORCX = "/etc/systemd/system-generators/torcx-generator"
_ACTIVATE: dict[UpdatePolicy, str] = {
    "reload": "systemctl restart systemd-sysext.service",
    "reboot": "systemctl --no-block reboot",
}
# Before version 255 nothing loads the units that a merge brings. Flatcar has its own way.
_LOAD_UNITS = """\
[Service]
ExecStartPost=/usr/bin/systemctl daemon-reload
"""
# A unit for each extension, beside the stock one, which serves the default component only (before
# systemd 262) and fails where there is none: so none of them stops another's updates.
_UPDATE = """\
[Unit]
Description=Update the extension {name}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=/bin/sh -ec '\\
  before=$$(readlink -f {link}); \\
  /usr/lib/systemd/systemd-sysupdate --component={name} update; \\
  test "$$before" = "$$(readlink -f {link})" || {activate}'
"""
_TIMER = """\
[Unit]
Description=Look for updates of the extension {name}

[Timer]
OnBootSec=15min
OnUnitActiveSec=6h
RandomizedDelaySec=1h

[Install]
WantedBy=timers.target
"""


def plan(
    extensions: Sequence[Extension],
    *,
    host: HostSystem,
    policy: UpdatePolicy = "reload",
    offline: bool = False,
    unsigned: bool = False,
) -> HostConfig:
    """Return what a host gets.

    Args:
        extensions: the extensions that it runs.
        host: its operating system; `any` for others than the two.
        policy: what it does after an update: merge it at once, or reboot.
        offline: whether the images are part of the configuration.
        unsigned: whether to follow channels that are not signed.

    Raises:
        ProvisionError: the extensions don't fit the host or lack one that they require, an image
            can't be embedded, or a channel is not signed.

    """
    _refuse_misfits(extensions, host)
    own = [_own(each, host, policy, offline=offline, unsigned=unsigned) for each in extensions]
    drop_ins = {} if host == "flatcar" else {"10-load-units.conf": _LOAD_UNITS}
    merging = HostUnit(name="systemd-sysext.service", drop_ins=drop_ins, wanted_by="sysinit.target")
    keyring = _keyring([each.component for each in extensions if each.component])
    return HostConfig(
        extensions=tuple(each.name for each in extensions),
        files=(*(file for each in own for file in each.files), *keyring),
        links=tuple(dict.fromkeys(link for each in own for link in each.links)),
        units=(merging, *(unit for each in own for unit in each.units)),
        records={name: data for each in own for name, data in each.records.items()},
    )


def _own(
    each: Extension, host: HostSystem, policy: UpdatePolicy, *, offline: bool, unsigned: bool
) -> HostConfig:
    """Return what is laid for one extension alone, with the record of it."""
    files, links = [_file(each, offline=offline)], tuple(_links(each, host))
    units: tuple[HostUnit, ...] = ()
    images = None
    if each.component:
        files += _component_files(each.name, each.component, unsigned=unsigned)
        units = tuple(_update_units(each.name, policy))
        images = f"{IMAGES}/{each.name}/{each.component.images}"
    laid = record.planned((*files, *unit_files(units)), links, units, images)
    return HostConfig(
        extensions=(each.name,),
        files=tuple(files),
        links=links,
        units=units,
        records={each.name: record.encode(laid)},
    )


def _refuse_misfits(extensions: Sequence[Extension], host: HostSystem) -> None:
    names = [each.name for each in extensions]
    for each in extensions:
        if names.count(each.name) > 1:
            raise ProvisionError(f"{each.name} is asked for twice", fix="choose one version")
        if host in _HOST_IDS and each.os not in ("any", _HOST_IDS[host]):
            raise ProvisionError(
                f"{each.file} does not fit: it is made for {each.os}",
                fix="take an image for any system, or another --host",
            )
        missing = [name for name in each.requires if name not in names]
        if missing:
            raise ProvisionError(
                f"{each.name} needs {' and '.join(missing)} beside it",
                fix=f"bakery provision {' '.join((*names, *missing))}",
            )


def _image(each: Extension) -> str:
    return f"{IMAGES}/{each.name}/{each.file}"


def _file(each: Extension, *, offline: bool) -> HostFile:
    remote = RemoteContents(url=each.url, sha256=each.sha256, size=each.size)
    return HostFile(path=_image(each), contents=_embedded(each) if offline else remote)


def _embedded(each: Extension) -> InlineContents:
    if each.local is None:
        raise ProvisionError(
            f"{each.file} is not on this computer", fix="give the image file or its folder"
        )
    size = each.local.stat().st_size
    if size > EMBEDDABLE:
        raise ProvisionError(
            f"{each.file} is too large to embed: {format_size(size)}",
            where=str(each.local),
            why=f"configurations hold images up to {format_size(EMBEDDABLE)}",
            fix="let the host download it, or install it on its disk: bakery install --root DIR",
        )
    data = each.local.read_bytes()
    if hashlib.sha256(data).hexdigest() != each.sha256:
        raise ProvisionError(
            f"{each.file} is not the file that its release has",
            where=str(each.local),
            fix="build it again",
        )
    return InlineContents(data=data)


def _links(each: Extension, host: HostSystem) -> Iterator[HostLink]:
    yield HostLink(path=f"{EXTENSIONS}/{each.name}.raw", target=_image(each))
    masked = [name for name in each.replaces if host != "fcos" or not name.endswith(_BUILT_IN)]
    for name in masked:
        yield HostLink(path=f"{EXTENSIONS}/{name}.raw", target="/dev/null")
    if any(name.endswith(_BUILT_IN) for name in masked):
        # What is built in now came from Torcx before: its generator would unpack it again.
        yield HostLink(path=_TORCX, target="/dev/null")


def _component_files(name: str, component: Component, *, unsigned: bool) -> Iterator[HostFile]:
    if component.keyring is None and not unsigned:
        raise ProvisionError(
            f"nobody signs the channel that {name} would follow",
            why="hosts would run whatever is published there",
            fix="publish with BAKERY_SIGNING_KEY set, or give --unsigned",
        )
    for file, text in component.transfers.items():
        data = text if component.keyring else text.replace(b"\nVerify=yes\n", b"\nVerify=no\n")
        yield HostFile(path=f"/etc/sysupdate.{name}.d/{file}", contents=InlineContents(data=data))


def _keyring(followed: Sequence[Component]) -> list[HostFile]:
    keys = dict.fromkeys(component.keyring for component in followed if component.keyring)
    data = b"".join(keys)
    return [HostFile(path=KEYRING, contents=InlineContents(data=data), shared=True)] if data else []


def _update_units(name: str, policy: UpdatePolicy) -> Iterator[HostUnit]:
    link = f"{EXTENSIONS}/{name}.raw"
    text = _UPDATE.format(name=name, link=link, activate=_ACTIVATE[policy])
    yield HostUnit(name=f"sysext-update-{name}.service", text=text)
    timer = _TIMER.format(name=name)
    yield HostUnit(name=f"sysext-update-{name}.timer", text=timer, wanted_by="timers.target")
