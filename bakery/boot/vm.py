"""Virtual machines: what every guest of qemu has in common.

The guest's agent is reached through a virtio-serial port, and images come on a disk of their own:
needing nothing but virtio, both work with every kernel that is made for virtual machines.
"""

from __future__ import annotations

import os
import re
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.arch import Arch, native_arch
from bakery.boot import console, guest, scratch
from bakery.boot.process import child
from bakery.image.formats.squashfs import MKSQUASHFS
from bakery.tools import Tool, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bakery.arch import Arch
    from bakery.boot.machine import Load
    from bakery.recipe.expectations import Device

SHARE = "/run/bakery"
_SERIAL = "bakery"  # the serial number of the disk that has agent and images
_PORT = "bakery"
_MEMORY = "2048"  # MiB

# What check.yaml calls devices, as qemu's options. Disks are empty, and nothing of them is kept.
_DISK = f"driver=null-co,read-zeroes=on,size={1 << 30}"
DEVICES: dict[Device, Sequence[str]] = {
    "disk": ("-blockdev", f"node-name=disk,{_DISK}", "-device", "virtio-blk-pci,drive=disk"),
    "nvme": ("-blockdev", f"node-name=nvme,{_DISK}", "-device", "nvme,drive=nvme,serial=nvme"),
    "network": (
        *("-netdev", "user,id=network,restrict=on"),
        *("-device", "virtio-net-pci,netdev=network"),
    ),
}

_MOUNT_UNIT = f"""\
[Unit]
DefaultDependencies=no
Before=local-fs.target
[Mount]
What=/dev/disk/by-id/virtio-{_SERIAL}
Where={SHARE}
Type=squashfs
Options=ro
[Install]
WantedBy=local-fs.target
"""


@dataclass(frozen=True)
class Platform:
    """How one architecture is emulated.

    Attributes:
        qemu: the program.
        machine: its machine type.
        console: the kernel's name for the first serial port.
        emulated: the processor to emulate where there is no KVM.

    """

    qemu: Tool
    machine: str
    console: str
    emulated: str


PLATFORMS: dict[Arch, Platform] = {
    "x86-64": Platform(
        Tool(
            program="qemu-system-x86_64",
            apt="qemu-system-x86",
            dnf="qemu-system-x86-core",
            zypper="qemu-x86",
            brew="qemu",
        ),
        "q35",
        "ttyS0",
        "max,-cx16",  # qemu 7.2 confuses the flags of cmpxchg16b, which crashes kernels
    ),
    "arm64": Platform(
        Tool(
            program="qemu-system-aarch64",
            apt="qemu-system-arm",
            dnf="qemu-system-aarch64-core",
            zypper="qemu-arm",
            brew="qemu",
        ),
        "virt",
        "ttyAMA0",
        "max",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Vm:
    """A virtual machine; nothing of what it writes is kept.

    Attributes:
        arch: its architecture.
        disk: the disk that it boots from.
        options: further words of qemu's command line.
        devices: what it has beside its disk.

    """

    arch: Arch
    disk: Path
    options: Sequence[str]
    devices: Sequence[Device] = ()


def accelerated(kvm: Path = Path("/dev/kvm"), processors: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether guests run on the processor itself.

    A /dev/kvm is not enough: clouds have some that stop at the first unusual instruction, since
    the processor's own support, its flag vmx or svm, is missing.
    """
    if not os.access(kvm, os.R_OK | os.W_OK):
        return False
    flags = re.search(r"^flags\s*:(.*)$", processors.read_text("utf-8"), re.MULTILINE)
    return flags is None or not {"vmx", "svm"}.isdisjoint(flags[1].split())


def slowdown() -> float:
    """Return how many times longer everything may take: emulated processors are slow."""
    return 1 if accelerated() else 8


def obstacle(arch: Arch) -> str | None:
    """Return why there is no virtual machine of an architecture here."""
    if arch == native_arch():
        return None
    return f"virtual machines are of this computer's architecture, {native_arch()}, and not {arch}"


def units() -> dict[str, str]:
    """Return the units that a guest needs: its agent, and the mount of what it is given."""
    port = f"/dev/virtio-ports/{_PORT}"
    device = f"dev-virtio\\x2dports-{_PORT}.device"
    return {**guest.units(SHARE, port, port, after=device), "run-bakery.mount": _MOUNT_UNIT}


def command(vm: Vm, share: Path, agent: int) -> list[str]:
    """Return the command line: see qemu(1).

    Args:
        vm: the machine.
        share: the disk image with agent and images.
        agent: the descriptor of the socket that is the agent's port.

    """
    platform = PLATFORMS[vm.arch]
    form = "qcow2" if is_qcow2(vm.disk) else "raw"
    if accelerated():
        processors = ("-accel", "kvm", "-cpu", "host", "-smp", "2")
    else:
        processors = ("-accel", "tcg", "-cpu", platform.emulated, "-smp", "1")
    return [
        platform.qemu.require(),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-machine", platform.machine, *processors),
        *("-m", _MEMORY, "-device", "virtio-rng-pci"),
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
        *_drive("root", vm.disk, f"format={form},snapshot=on"),
        *_drive(_SERIAL, share, "format=raw,readonly=on"),
        *("-chardev", f"socket,id=agent,fd={agent}", "-device", "virtio-serial-pci"),
        *("-device", f"virtserialport,chardev=agent,name={_PORT}"),
        *chain.from_iterable(DEVICES[device] for device in dict.fromkeys(vm.devices)),
        *vm.options,
    ]


def _drive(name: str, file: Path, options: str) -> Sequence[str]:
    escaped = str(file).replace(",", ",,")
    drive = f"if=none,id={name},file={escaped},{options}"
    return ("-drive", drive, "-device", f"virtio-blk-pci,drive={name},serial={name}")


def is_qcow2(disk: Path) -> bool:
    """Return whether a disk image is qemu's own kind, by its magic number."""
    with disk.open("rb") as stream:
        return stream.read(4) == b"QFI\xfb"


@contextmanager
def started(vm: Vm, load: Load) -> Iterator[guest.Guest]:
    """Start a virtual machine; see `Machine.start`."""
    with scratch.opened() as folder:
        share = _share(load, folder)
        ours, theirs = socket.socketpair()
        with (
            ours,
            theirs,
            console.opened(load.log) as (shown, terminal),
            child(
                command(vm, share, theirs.fileno()), terminal=terminal, inherited=[theirs.fileno()]
            ) as process,
        ):
            running = guest.Guest(
                child=process,
                console=shown,
                reader=ours.fileno(),
                writer=ours.fileno(),
                slowdown=slowdown(),
                own_memory=True,
            )
            running.wait_ready()
            yield running


def _share(load: Load, folder: Path) -> Path:
    """Make the disk image that has agent and images; they are packed as they are."""
    content, disk = folder / "content", folder / "share.squashfs"
    content.mkdir()
    (content / "agent").write_text(guest.AGENT, "utf-8")
    (content / "setup").write_text(load.setup, "utf-8")
    for number, image in enumerate(load.images):
        folder = content / "images" / str(number)
        folder.mkdir(parents=True)
        run(
            ["cp", "-a", "--reflink=auto", "--", image.path.resolve(), folder / image.name],
            what=f"{image.name} can't be copied",
        )
    pack: list[str | Path] = [MKSQUASHFS.require(), content, disk, "-quiet", "-no-progress"]
    run([*pack, "-noI", "-noD", "-noF", "-noX"], what="the disk with the images can't be made")
    return disk
