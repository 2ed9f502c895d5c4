"""A debugger with its Python, as Debian has it today, in a root of its own."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.debian import ROOTS
from harness.native import ARCH
from harness.packages import EMULATOR, locked_anew

from bakery.boot.machine import BootImage, Load
from bakery.boot.nspawn import Nspawn, image_path
from bakery.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.debian import Debian
    from harness.project import Project

    from bakery.boot.guest import Guest

pytestmark = [needs.ROOT, needs.programs("apt-get", "systemd-nspawn", "debootstrap", "mksquashfs")]
AS_NOBODY = "setpriv --reuid=nobody --regid=nogroup --clear-groups"
WHO = "gdb --batch -ex 'python import os; print(os.getuid(), os.getgid(), os.getcwd())'"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Lock GDB to what the mirror has."""
    return locked_anew(tmp_path_factory.mktemp("gdb") / "project", ["gdb"])


@pytest.fixture(scope="module")
def said(project: Project) -> str:
    """Check GDB for both architectures, and boot it."""
    return project.doit("check:gdb-[0-9]*", f"boot:gdb-*-{ARCH}")


@pytest.fixture
def guest(said: str, project: Project, debian: Debian, tmp_path: Path) -> Iterator[Guest]:
    """Boot a system with GDB; image 1 is bubblewrap's program."""
    assert said
    [gdb] = project.dist.glob(f"gdb-*/*-{ARCH}.raw")
    bubblewrap = debian.unpacked(ARCH, "bubblewrap") / "usr/bin"
    images = [BootImage(path=gdb, name="gdb"), BootImage(path=bubblewrap, name="bubblewrap")]
    merge = f"ln -s {image_path(0, 'gdb')} /var/lib/extensions/gdb"
    load = Load(setup=merge, images=images, log=tmp_path / "log")
    machine = Nspawn(suite="bookworm", cache=ROOTS, arch=ARCH)
    machine.prepare(Silent().tell)
    with machine.start(load) as guest:
        assert guest.ask("systemctl start systemd-sysext").status == 0
        yield guest


def test_it_works_on_both_systems(said: str) -> None:
    assert "passed on nspawn, bookworm" in said
    assert "passed on nspawn, trixie" in said


def test_every_user_enters_it_as_the_host_lets_them(guest: Guest) -> None:
    assert guest.ask(f"cd /var/tmp && {WHO}").stdout == "0 0 /var/tmp\n"
    by_namespace = guest.ask(f"cd /var/tmp && {AS_NOBODY} {WHO}")
    assert by_namespace.stdout == "65534 65534 /var/tmp\n"
    by_bubblewrap = guest.ask(
        f"cd /var/tmp && {AS_NOBODY} env PATH={image_path(1, 'bubblewrap')}:$PATH {WHO}"
        """ -ex 'python print(open(f"/proc/{os.getppid()}/comm").read())'"""
    )
    assert by_bubblewrap.stdout == "65534 65534 /var/tmp\nbwrap\n\n"
    inside_chroot = guest.ask(f"mount --rbind / /mnt && chroot /mnt {AS_NOBODY} {WHO}")
    assert inside_chroot.status == 126
    assert "/usr/bin/gdb needs a user namespace" in inside_chroot.stderr


@pytest.mark.parametrize("user", ["", AS_NOBODY])
def test_its_process_is_the_one_that_was_started(guest: Guest, user: str) -> None:
    """A service manager watches the process that it started, and takes notice of no other."""
    number = "gdb --batch -ex 'python import os; print(os.getpid())'"
    started, running = guest.ask(f"echo $$; exec {user} {number}").stdout.split()
    assert running == started


def test_it_sees_the_hosts_folders_and_its_own_usr(guest: Guest) -> None:
    guest.ask("echo shared >/etc/shared; mkdir /home/someone; mount -t tmpfs none /media")
    listed = guest.ask("gdb --batch -ex 'shell cat /etc/shared; ls /home; stat -fc %T /media'")
    assert listed.stdout == "shared\nsomeone\ntmpfs\n"
    maps = guest.ask("gdb --batch -ex 'python print(open(\"/proc/self/maps\").read())'").stdout
    assert "/usr/lib/gdb/root/usr/bin/gdb" not in maps
    assert "libpython3" in maps
    assert guest.ask("findmnt --noheadings --list /usr/lib/gdb/root/etc").status != 0


@needs.programs(EMULATOR)
def test_its_programs_run_on_the_other_architecture(
    said: str, project: Project, tmp_path: Path
) -> None:
    assert said
    [tree] = project.dist.glob("stage/gdb-*-arm64/tree")
    root = tmp_path / "root"
    shutil.copytree(tree / "usr/lib/gdb/root", root, symlinks=True)
    shutil.copy(shutil.which(EMULATOR) or "", root / "emulator")
    command = ["chroot", str(root), "/emulator", "/usr/bin/gdb"]
    command += ["--batch", "-ex", "python print(6 * 7)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert (done.stdout, done.returncode) == ("42\n", 0), done.stderr
