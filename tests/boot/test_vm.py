from __future__ import annotations

import bz2
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
from harness.native import ARCH

from bakery import settings
from bakery.boot import vm
from bakery.boot.errors import MachineError
from bakery.boot.flatcar import Flatcar, ignition
from bakery.boot.machines import machine
from bakery.boot.qemu import Qemu
from bakery.progress import Silent
from bakery.recipe.expectations import Device, Expectations

if TYPE_CHECKING:
    from bakery.arch import Arch


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "a,b.img"
    path.write_bytes(b"QFI\xfb rest")
    return path


def test_qemu_knows_every_device_that_check_yaml_names() -> None:
    platform = vm.PLATFORMS["x86-64"]
    qemu = platform.qemu.find()
    if qemu is None:
        pytest.skip("qemu is not installed")
    devices = [word for words in vm.DEVICES.values() for word in words]
    assert vm.DEVICES.keys() == set(get_args(Device))
    stopped = ["-nodefaults", "-display", "none", "-S", "-monitor", "stdio"]
    port = ["-device", "virtio-serial-pci"]
    done = subprocess.run(
        [qemu, "-machine", platform.machine, *stopped, *port, *devices],
        input="quit\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_line_has_disks_and_the_agents_port(disk: Path) -> None:
    if vm.PLATFORMS[ARCH].qemu.find() is None:
        pytest.skip("qemu is not installed")
    line = vm.command(vm.Vm(arch=ARCH, disk=disk, options=["-x", "y"]), Path("/s"), 7)
    drive = f"if=none,id=root,file={str(disk).replace(',', ',,')},format=qcow2,snapshot=on"
    assert drive in line
    assert "virtio-blk-pci,drive=bakery,serial=bakery" in line
    assert "socket,id=agent,fd=7" in line
    assert line[-2:] == ["-x", "y"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags\t\t: fpu vmx sse\n", True),
        ("flags\t\t: fpu svm\n", True),
        ("flags\t\t: fpu vmx_x\n", False),
        ("Features\t: asimd\n", True),
    ],
)
def test_kvm_counts_only_with_the_processors_support(
    tmp_path: Path, flags: str, *, expected: bool
) -> None:
    kvm, processors = tmp_path / "kvm", tmp_path / "cpuinfo"
    processors.write_text(flags, "utf-8")
    assert not vm.accelerated(kvm, processors)
    kvm.touch()
    assert vm.accelerated(kvm, processors) is expected


def test_ignition_starts_the_agent_and_masks_what_is_replaced() -> None:
    config = json.loads(ignition(["docker-flatcar"]))
    assert config["ignition"]["version"] == "3.3.0"
    units = {unit["name"]: unit for unit in config["systemd"]["units"]}
    assert set(units) == {
        "bakery-agent.service",
        "bakery-setup.service",
        "bakery-booted.target",
        "run-bakery.mount",
    }
    assert all(unit["enabled"] for unit in units.values())
    assert "Before=systemd-sysext.service" in units["bakery-setup.service"]["contents"]
    assert config["storage"]["links"] == [
        {"path": "/etc/extensions/docker-flatcar.raw", "target": "/dev/null", "overwrite": True}
    ]


def test_a_missing_flatcar_image_is_explained(tmp_path: Path) -> None:
    machine = Flatcar(disk=tmp_path / "none.img", arch="x86-64")
    with pytest.raises(MachineError, match="no Flatcar image"):
        machine.prepare(Silent().tell)


def test_a_file_that_is_no_disk_image_is_not_waited_for(tmp_path: Path) -> None:
    disk = tmp_path / "flatcar.img.bz2"
    disk.write_bytes(bz2.compress(bytes(1 << 20)))
    machine = Flatcar(disk=disk, arch="x86-64")
    with pytest.raises(MachineError, match="no disk image"):
        machine.prepare(Silent().tell)


def test_the_debian_root_of_a_virtual_machine_has_kernel_and_units(tmp_path: Path) -> None:
    root = Qemu(suite="trixie", cache=tmp_path, arch="arm64").root
    assert "linux-image-cloud-arm64" in root.packages
    assert "What=/dev/disk/by-id/virtio-bakery" in root.files["etc/systemd/system/run-bakery.mount"]
    assert root.links["etc/systemd/system/sysinit.target.wants/bakery-agent.service"] == (
        "../bakery-agent.service"
    )


def test_virtual_machines_are_of_the_computers_architecture() -> None:
    other: Arch = "arm64" if ARCH == "x86-64" else "x86-64"
    assert other in (vm.obstacle(other) or "")


@pytest.mark.parametrize("name", ["disk.img", "disk.img.bz2"])
def test_a_published_disk_image_is_fetched_and_unpacked_once(tmp_path: Path, name: str) -> None:
    disk = b"a disk image, with many zeros" + bytes(1 << 20)
    served = tmp_path / name
    served.write_bytes(bz2.compress(disk) if name.endswith(".bz2") else disk)
    chosen = settings.load(tmp_path, {"BAKERY_STORE": str(tmp_path / "store")})
    expected = Expectations(devices=("disk",))
    first = machine(
        f"flatcar:{served.as_uri()}", "x86-64", chosen, expected=expected, masked=["docker-flatcar"]
    )
    served.unlink()
    second = machine(
        f"flatcar:{served.as_uri()}", "x86-64", chosen, expected=expected, masked=["docker-flatcar"]
    )
    assert first == second
    assert isinstance(first, Flatcar)
    assert first.disk.read_bytes() == disk
    assert not list((tmp_path / "store/machines").glob("*.partial"))
