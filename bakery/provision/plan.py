"""Plan what a host gets to run extensions, and to keep them up to date."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from msgspec import structs

from bakery.provision import keys, program, record, registry, verity
from bakery.provision.errors import ProvisionError
from bakery.provision.host_config import (
    HostConfig,
    HostFile,
    HostLink,
    HostUnit,
    RemoteContents,
    shipped_unit,
    unit_files,
)
from bakery.registry.reference import SCHEME
from bakery.release import sysupdate
from bakery.text import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bakery.provision.extension import Component, Extension

HostSystem = Literal["flatcar", "fcos", "any"]
UpdatePolicy = Literal["reload", "reboot"]

EXTENSIONS = "/etc/extensions"
IMAGES = record.FOLDER
EMBEDDABLE = 16 << 20

_HOST_IDS: dict[HostSystem, str] = {"flatcar": "flatcar", "fcos": "fedora"}
_BUILT_IN = "-flatcar"  # how Flatcar's built-in extensions end
_TORCX = "/etc/systemd/system-generators/torcx-generator"
# Before version 255 nothing loads the units that a merge brings. Flatcar has its own way.
_LOAD_UNITS = """\
[Service]
ExecStartPost=/usr/bin/systemctl daemon-reload
"""
_PROXY = """\
[Service]
Environment="http_proxy={0}" "https_proxy={0}"
"""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How a host is to run extensions.

    Attributes:
        host: its operating system; `any` for others than the two; None for what a format is for.
        policy: what it does after an update: as the image says, or merge it at the next reboot.
        offline: whether the images are part of the configuration.
        unsigned: whether to follow channels that are not signed.
        newest: whether the host takes what is newest when it first boots, and no version is named.
        proxy: the address of the proxy that it downloads with; None for none.
        enforce: whether it is to merge nothing but signed images from now on.
        fetches: whether who lays it can fetch from registries; else the host does when it boots.

    """

    host: HostSystem | None = None
    policy: UpdatePolicy = "reload"
    offline: bool = False
    unsigned: bool = False
    newest: bool = False
    proxy: str | None = None
    enforce: bool = False
    fetches: bool = True

    def later(self, each: Extension) -> bool:
        """Return whether the host fetches an image from a registry when it first boots."""
        settled = self.newest or self.offline or self.fetches
        return each.url.startswith(SCHEME) and not settled


def plan(extensions: Sequence[Extension], choices: Choices) -> HostConfig:
    """Return what a host gets to run extensions.

    Raises:
        ProvisionError: the extensions don't fit the host or each other or lack one that they
            require, an image can't be embedded, or it or a channel is not signed.

    """
    _refuse_misfits(extensions, choices.host)
    if choices.enforce:
        verity.refuse_unsigned(extensions)
    own = [_own(each, choices) for each in extensions]
    drop_ins = {} if choices.host == "flatcar" else {"10-load-units.conf": _LOAD_UNITS}
    drop_ins |= verity.DROP_INS if choices.enforce else {}
    merging = HostUnit(name="systemd-sysext.service", drop_ins=drop_ins, wanted_by="sysinit.target")
    files = [file for each in own for file in each.files]
    files += [verity.configuration()] if choices.enforce else []
    units = (unit for each in own for unit in each.units)
    return HostConfig(
        extensions=tuple(each.name for each in extensions),
        files=tuple(dict.fromkeys(files)),
        links=tuple(dict.fromkeys(link for each in own for link in each.links)),
        units=(merging, *{unit.name: unit for unit in units}.values()),
        records={name: laid for each in own for name, laid in each.records.items()},
        systems={each.name: each.os for each in extensions if each.os != "any"},
        proxy=choices.proxy,
    )


def _own(each: Extension, choices: Choices) -> HostConfig:
    """Return what is laid for one extension, with the record of it."""
    links = tuple(_links(each, choices))
    files = [*verity.certificates(each.name, each.certificates)]
    files += [] if choices.newest else [_file(each, offline=choices.offline)]
    units: list[HostUnit] = []
    images = None
    if each.component:
        files += _component_files(each.name, each.component, choices)
        units += _component_units(each.name, each.component, choices)
        images = f"{IMAGES}/{each.name}/{each.component.images}"
    elif choices.newest:
        raise ProvisionError(
            f"{each.name} is to be the newest at first boot, and follows no channel",
            fix=f"name the channel: bakery provision --newest {each.name}",
        )
    later = choices.later(each)
    if later:
        command = [registry.PROGRAM, "install", each.name, _image(each), each.url, str(each.size)]
        units.append(_first(each.name, f"the extension {each.name} from a registry", command))
    if later or (each.component and registry.followed(each.component)):
        files.append(registry.program())
    if choices.proxy is not None:
        units = [_proxied(unit, choices.proxy) for unit in units]
    conflicts = [f"{EXTENSIONS}/{name}.raw" for name in each.conflicts]
    laid = record.planned((*files, *unit_files(units)), links, units, images, conflicts)
    laid += (program.state(each.name),) if each.component else ()
    return HostConfig(
        extensions=(each.name,),
        files=tuple(file for file in files if not later or file.path != _image(each)),
        links=tuple(link for link in links if not later or link.target != _image(each)),
        units=tuple(units),
        records={each.name: laid},
    )


def _refuse_misfits(extensions: Sequence[Extension], host: HostSystem | None) -> None:
    names = [each.name for each in extensions]
    for each in extensions:
        if names.count(each.name) > 1:
            raise ProvisionError(f"{each.name} is asked for twice", fix="choose one version")
        if host in _HOST_IDS and each.os not in ("any", _HOST_IDS[host]):
            raise ProvisionError(
                f"{each.file} does not fit: it is made for {each.os}",
                fix="take an image for any system, or another --host",
            )
        beside = [name for name in each.conflicts if name in names]
        if beside:
            raise ProvisionError(
                f"{each.name} can't run beside {' and '.join(beside)}",
                why="its release says that they conflict",
                fix="choose one of them for this host",
            )
        missing = [name for name in each.requires if name not in names]
        if missing:
            raise ProvisionError(
                f"{each.name} needs {' and '.join(missing)} beside it",
                fix=f"bakery provision {' '.join((*names, *missing))}",
            )


def _image(each: Extension) -> str:
    return f"{IMAGES}/{each.name}/{each.host_file}"


def _file(each: Extension, *, offline: bool) -> HostFile:
    remote = RemoteContents(url=each.url, sha256=each.sha256, size=each.size)
    return HostFile(path=_image(each), contents=_embedded(each) if offline else remote)


def _embedded(each: Extension) -> bytes:
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
    return data


def _links(each: Extension, choices: Choices) -> Iterator[HostLink]:
    if not choices.newest:
        yield HostLink(path=f"{EXTENSIONS}/{each.name}.raw", target=_image(each))
    on_fcos = choices.host == "fcos"
    masked = [name for name in each.replaces if not on_fcos or not name.endswith(_BUILT_IN)]
    for name in masked:
        yield HostLink(path=f"{EXTENSIONS}/{name}.raw", target="/dev/null")
    if any(name.endswith(_BUILT_IN) for name in masked):
        # What is built in now came from Torcx before: its generator would unpack it again.
        yield HostLink(path=_TORCX, target="/dev/null")


def _component_files(name: str, component: Component, choices: Choices) -> Iterator[HostFile]:
    if component.keyring is None and not choices.unsigned:
        raise ProvisionError(
            f"nobody signs the channel that {name} would follow",
            why="hosts would run whatever is published there",
            fix="publish with BAKERY_SIGNING_KEY set, or give --unsigned",
        )
    for file, text in component.transfers.items():
        if file.endswith(sysupdate.COMPONENT):
            yield HostFile(path=f"/etc/sysupdate.{name}{sysupdate.COMPONENT}", contents=text)
            continue
        # What is merged is for the program to say: systemd-sysupdate only fetches and verifies.
        data = re.sub(rb"(?m)^CurrentSymlink=.*\n", b"", registry.reached(text))
        if not component.keyring:
            data = data.replace(b"\nVerify=yes\n", b"\nVerify=no\n")
        yield HostFile(path=f"/etc/sysupdate.{name}.d/{file}", contents=data)
    if choices.policy == "reboot":
        yield program.settings(name)
    yield program.file()
    if component.keyring:
        yield HostFile(path=keys.path(name), contents=component.keyring, changes=True)
        yield keys.program()


def _component_units(name: str, component: Component, choices: Choices) -> Iterator[HostUnit]:
    if registry.followed(component):
        yield from registry.units()
    yield from program.units()
    if choices.newest:
        what = f"the newest version of the extension {name}"
        yield _first(name, what, [program.PATH, "first", name])
    if component.keyring:
        yield keys.unit()


def _first(name: str, what: str, command: Sequence[str]) -> HostUnit:
    """Return what fetches an extension when a host first boots and does not have it yet.

    It comes before all that waits for multi-user.target; what needs the extension says After= it.
    """
    unit = shipped_unit("extensions-first.service")
    text = (unit.text or "").format(name=name, what=what, command=" ".join(command))
    own = f"extensions-first-{name}.service"
    return structs.replace(unit, name=own, text=text, shared=False)


def _proxied(unit: HostUnit, proxy: str) -> HostUnit:
    """Return a unit with the proxy that it downloads with, if it is a service."""
    if not unit.name.endswith(".service"):
        return unit
    drop_in = {"10-proxy.conf": _PROXY.format(_literal(proxy))}
    return structs.replace(unit, drop_ins=unit.drop_ins | drop_in)


def _literal(text: str) -> str:
    """Return a text in which nothing is a specifier (systemd.unit(5))."""
    return text.replace("%", "%%")
