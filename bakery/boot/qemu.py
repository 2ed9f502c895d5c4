"""Machines that are virtual: Debian with its own kernel, on a disk made of a root file system."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bakery.arch import ARCHITECTURES
from bakery.boot import debian, guest, vm
from bakery.boot.errors import MachineError
from bakery.files import move
from bakery.tools import Tool, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bakery.boot.guest import Guest
    from bakery.boot.machine import Load
    from bakery.recipe.expectations import Device

_MKFS = Tool(program="mkfs.ext4", apt="e2fsprogs", brew="e2fsprogs")
# What makes the initial file system: the first choice of the suite's kernel, which is all that
# debootstrap knows of; the two conflict with each other.
_INITRAMFS = {"bookworm": "initramfs-tools", "trixie": "initramfs-tools"}
_DISK = "8G"
# How long systemd waits for a device or a service, unless a unit says; see systemd-system.conf(5)
_PATIENCE = ("systemd.default_device_timeout_sec", "systemd.default_timeout_start_sec")
_SECONDS = 90
_LABEL = "bakery"


@dataclass(frozen=True, kw_only=True)
class Qemu(debian.Debian):
    """A virtual machine with a Debian system, of this computer's architecture.

    Attributes:
        devices: what it has beside its disk.

    """

    backend: ClassVar = "qemu"
    known_errors: ClassVar = ()
    virtual: ClassVar = True
    words: ClassVar = ""  # further ones of the kernel's command line
    share: ClassVar = vm.SHARE

    devices: Sequence[Device] = ()

    @property
    def root(self) -> debian.Root:
        """What the system is made of."""
        units = vm.units()
        folder = "etc/systemd/system"
        return debian.Root(
            suite=self.suite,
            arch=self.arch,
            packages=(
                *debian.PACKAGES,
                "libcryptsetup12",  # what systemd sets up dm-verity with
                _INITRAMFS.get(self.suite, "dracut"),
                f"linux-image-cloud-{ARCHITECTURES[self.arch].debian}",
            ),
            files={f"{folder}/{name}": text for name, text in units.items()},
            links={f"{folder}/{path}": target for path, target in guest.wants(units).items()},
        )

    def obstacle(self) -> str | None:
        """Return why this computer can't run such machines."""
        return vm.obstacle(self.arch)

    @contextmanager
    def start(self, load: Load) -> Iterator[Guest]:
        """Start the machine; see `Machine.start`."""
        platform = vm.PLATFORMS[self.arch]
        platform.qemu.require()
        root = self.folder
        patience = " ".join(f"{word}={_SECONDS * vm.slowdown():.0f}" for word in _PATIENCE)
        words = (
            f"root=LABEL={_LABEL} rw console={platform.console} quiet panic=-1"
            f" systemd.show_status=1 {patience} {self.words}"
        )
        machine = vm.Vm(
            arch=self.arch,
            disk=self.disk(),
            devices=self.devices,
            options=[
                *("-kernel", str(_only(root, "boot/vmlinuz-*"))),
                *("-initrd", str(_only(root, "boot/initrd.img-*"))),
                *("-append", words),
            ],
        )
        with vm.started(machine, load) as running:
            yield running

    def disk(self) -> Path:
        """Return the disk with its root file system, made now if it is not there yet."""
        from filelock import FileLock

        root = self.folder
        disk = root.with_name(f"{root.name}.ext4")
        with FileLock(disk.with_name(f".{disk.name}.lock")):
            if not disk.exists():
                partial = disk.with_name(f".{disk.name}.partial")
                partial.unlink(missing_ok=True)
                run(
                    [_MKFS.require(), "-q", "-L", _LABEL, "-d", root, partial, _DISK],
                    what="the disk of the virtual machine can't be made",
                )
                move(partial, disk)
        return disk


def _only(root: Path, pattern: str) -> Path:
    matches = sorted(root.glob(pattern))
    if not matches:
        raise MachineError(f"the root file system has no {pattern}", where=str(root))
    return matches[-1]
