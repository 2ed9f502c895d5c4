"""Machines that are virtual: Flatcar's published qemu images, set up by Ignition.

See the Ignition specification 3.3.0, and Flatcar's documentation on qemu: its Ignition reads the
firmware configuration `opt/org.flatcar-linux/config` at the first boot, and every boot here is one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bakery import interrupts
from bakery.boot import vm
from bakery.boot.errors import MachineError
from bakery.boot.machine import System
from bakery.check.loader import GPT, file_system
from bakery.files import move
from bakery.http.address import file_name
from bakery.store.folder import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bakery.arch import Arch
    from bakery.boot.guest import Guest
    from bakery.boot.machine import Load
    from bakery.progress import Tell
    from bakery.recipe.expectations import Device
    from bakery.settings import Settings

SYSTEM = System(
    os_releases=[{"ID": "flatcar", "SYSEXT_LEVEL": "1.0"}],
    systemd=range(252, 1000),  # the first with `ID=_any`
)
_FIRMWARE_CONFIG = "opt/org.flatcar-linux/config"


@dataclass(frozen=True, kw_only=True)
class Flatcar:
    """A virtual machine with Flatcar.

    Attributes:
        disk: Flatcar's disk image, `flatcar_production_qemu_image.img`, unpacked.
        arch: this computer's.
        masked: extensions of Flatcar's own that must not be merged, such as `docker-flatcar`.
        devices: what it has beside its disk.

    """

    backend: ClassVar = "qemu"
    system: ClassVar = "flatcar"
    known_errors: ClassVar = (r"^kernel: ",)  # about the virtual machine, and no image
    virtual: ClassVar = True
    share: ClassVar = vm.SHARE

    disk: Path
    arch: Arch
    masked: Sequence[str] = ()
    devices: Sequence[Device] = ()

    def obstacle(self) -> str | None:
        """Return why this computer can't run such machines."""
        return vm.obstacle(self.arch)

    def os_release(self) -> Mapping[str, str]:
        """Return what all releases of Flatcar say: which one the disk has is not known."""
        return SYSTEM.os_releases[0]

    def hierarchies(self) -> None:
        """Return None: its /usr is a partition of the disk."""

    def prepare(self, _tell: Tell) -> None:
        """See that its disk is one.

        Raises:
            MachineError: it is not there, or no disk image.

        """
        if not self.disk.is_file():
            raise MachineError(
                "there is no Flatcar image",
                where=str(self.disk),
                fix="download flatcar_production_qemu_image.img of a release and unpack it there",
            )
        if not (vm.is_qcow2(self.disk) or file_system(self.disk) == GPT):
            raise MachineError(
                "this file is no disk image",
                where=str(self.disk),
                why="it is not of the type qcow2, and has no partitions",
                fix="unpack flatcar_production_qemu_image.img if it is compressed, or download it",
            )

    @contextmanager
    def start(self, load: Load) -> Iterator[Guest]:
        """Start the machine; see `Machine.start`."""
        with interrupts.temporary_folder("bakery-flatcar-") as folder:
            config = folder / "config.ign"
            config.write_text(ignition(self.masked), "utf-8")
            escaped = str(config).replace(",", ",,")
            machine = vm.Vm(
                arch=self.arch,
                disk=self.disk,
                devices=self.devices,
                options=["-fw_cfg", f"name={_FIRMWARE_CONFIG},file={escaped}"],
            )
            with vm.started(machine, load) as guest:
                yield guest


def provide(address: str, settings: Settings) -> Path:
    """Return the disk image that is published at an address, downloaded and unpacked once.

    Args:
        address: of `flatcar_production_qemu_image.img`, plain or compressed.
        settings: where the store is, and from where downloads come.

    Raises:
        BakeryError: it can't be had, or is damaged.

    """
    from filelock import FileLock

    from bakery.archive.unpack import members
    from bakery.store.download import download_unpinned

    folder = settings.store / "machines"
    folder.mkdir(parents=True, exist_ok=True)
    disk = folder / f"flatcar-{hashlib.sha256(address.encode()).hexdigest()[:12]}.img"
    with FileLock(disk.with_suffix(".lock")):
        if disk.is_file():
            return disk
        blob = download_unpinned(Store(settings.store), address, settings=settings)
        partial = disk.with_suffix(".partial")
        for _, stream in members(blob.path, file_name(address), lambda _: True):
            if stream is not None:
                with partial.open("wb") as file:
                    shutil.copyfileobj(stream, file, 1 << 20)
        move(partial, disk)
        return disk


def ignition(masked: Sequence[str] = ()) -> str:
    """Return the Ignition configuration that starts the guest's agent.

    Args:
        masked: extensions in /etc/extensions that links to /dev/null switch off.

    """
    units = [{"name": name, "enabled": True, "contents": text} for name, text in vm.units().items()]
    links = [
        {"path": f"/etc/extensions/{name}.raw", "target": "/dev/null", "overwrite": True}
        for name in masked
    ]
    config = {
        "ignition": {"version": "3.3.0"},
        "storage": {"links": links},
        "systemd": {"units": units},
    }
    return json.dumps(config, indent=2) + "\n"
