"""Machines by name: `nspawn:trixie`, `qemu:bookworm`, `flatcar:DISK`, `flatcar:ADDRESS`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bakery.boot import flatcar
from bakery.boot.debian import SUITES, SYSTEMS
from bakery.boot.errors import MachineError
from bakery.boot.nspawn import Nspawn
from bakery.boot.qemu import Qemu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakery.arch import Arch
    from bakery.boot.machine import Machine, System
    from bakery.recipe.expectations import Expectations
    from bakery.settings import Settings

_DEBIAN = ("nspawn", "qemu")


def machine(
    name: str,
    arch: Arch,
    settings: Settings,
    *,
    expected: Expectations,
    masked: Sequence[str] = (),
) -> Machine:
    """Return the machine that a name stands for.

    Args:
        name: the backend and what it boots.
        arch: the architecture of the images.
        settings: the store, which keeps systems between boots, and Debian's mirror.
        expected: what check.yaml says of machines: where it asks for a virtual one, a container's
            name stands for the virtual machine with the same system.
        masked: extensions of the system's own that must not be merged.

    Raises:
        MachineError: there is no such machine.
        BakeryError: its disk image can't be downloaded.

    """
    refuse_unknown(name)
    backend, _, system = name.partition(":")
    cache, mirror = settings.store / "machines", settings.debian_mirror
    devices = expected.devices
    if backend == "flatcar":
        disk = flatcar.provide(system, settings) if "://" in system else Path(system)
        return flatcar.Flatcar(disk=disk, arch=arch, masked=masked, devices=devices)
    if backend == "nspawn" and expected.machine == "container":
        return Nspawn(suite=system, cache=cache, arch=arch, mirror=mirror)
    return Qemu(suite=system, cache=cache, arch=arch, mirror=mirror, devices=devices)


def recorded_name(name: str, expected: Expectations) -> str:
    """Return what the machine that a name stands for is called on record: `qemu:flatcar`."""
    backend, _, system = name.partition(":")
    if backend == "flatcar":
        return f"{flatcar.Flatcar.backend}:{flatcar.Flatcar.system}"
    return name if backend == "nspawn" and expected.machine == "container" else f"qemu:{system}"


def known_system(name: str) -> System:
    """Return what is known of the system that a name stands for, by either of its names."""
    backend, _, system = name.partition(":")
    return SYSTEMS[system] if backend in _DEBIAN and system in SYSTEMS else flatcar.SYSTEM


def refuse_unknown(name: str) -> None:
    """Refuse a name that stands for no machine.

    Raises:
        MachineError: there is no such machine.

    """
    backend, _, system = name.partition(":")
    if (backend == "flatcar" and system) or (backend in _DEBIAN and system in SUITES):
        return
    known = [f"{kind}:{suite}" for kind in _DEBIAN for suite in SUITES]
    raise MachineError(
        f"there is no machine {name!r}",
        fix=f"one of {', '.join(known)}, flatcar:DISK, flatcar:ADDRESS",
    )
