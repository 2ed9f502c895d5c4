"""An image's code is root in its container, and tries thirteen ways out: none leads anywhere."""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import needs
from harness.debian import ROOTS
from harness.native import ARCH

from bakery.boot.debian import SUITES
from bakery.boot.machine import BootImage, Load
from bakery.boot.nspawn import Nspawn
from bakery.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bakery.boot.guest import Guest

pytestmark = [needs.ROOT, needs.programs("systemd-nspawn", "debootstrap")]
# Numbers of system calls, from Linux's unistd.h
CALLS = {
    "x86_64": {"add_key": 248, "keyctl": 250, "bpf": 321, "ptrace": 101, "init_module": 175},
    "aarch64": {"add_key": 217, "keyctl": 219, "bpf": 280, "ptrace": 117, "init_module": 105},
}
SECRET = "bakery-secret-of-the-host"
ABSTRACT = "bakery-socket-of-the-host"
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
SESSION, USER = -3, -4  # keyrings(7)


def call(name: str, *arguments: str) -> str:
    number = CALLS[platform.machine()][name]
    words = ", ".join([str(number), *arguments])
    return f"perl -e 'exit(syscall({words}) == -1 ? 1 : 0)'"


def loaded() -> list[str]:
    return sorted(path.name for path in Path("/sys/module").iterdir())


def node(kind: str, number: int) -> str:
    made = f"mknod /run/node {kind} {os.major(number)} {os.minor(number)}"
    return f"rm -f /run/node; {made} && head -c 1 /run/node"


def ways_out(host: Path) -> dict[str, str]:
    """Return scripts that succeed only where they reach something of the host's."""
    disk = host.stat().st_dev
    search = f"""perl -e 'my ($n, $t, $d) = (0, "user", "{SECRET}"); my $found = 0;
      for my $ring (-3, -4, -5) {{
        $found = 1 if syscall({CALLS[platform.machine()]["keyctl"]}, 10, $ring, $t, $d, 0) > 0 }}
      exit !$found'"""
    connect = f"""perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_STREAM, 0) or exit 1;
      exit !connect($s, pack_sockaddr_un("\\0{ABSTRACT}"))'"""
    trace = CALLS[platform.machine()]["ptrace"]
    return {
        "core_pattern": f"mount -o remount,bind,rw /proc/sys; echo '|/evil' >{CORE_PATTERN}",
        "sysrq": "echo h >/proc/sysrq-trigger || echo 1 >/proc/sys/kernel/sysrq",
        "modules": f"modprobe dummy numdummies=1 || {call('init_module', '0', '0', '0')}",
        "raw disks": f"{node('b', disk)} || mount /run/node /mnt",
        "/dev/mem": f"{node('c', os.makedev(1, 1))} || head -c 1 /proc/kcore",
        "release_agent": "mkdir -p /run/cg; for each in memory cpu pids rdma; do"
        " mount -t cgroup -o $each x /run/cg && echo /evil >/run/cg/release_agent && exit 0; done;"
        " exit 1",
        "mknod": node("c", os.makedev(10, 237)),  # /dev/loop-control
        "the host's files": f"grep -r {SECRET} /run/host /proc/1/root{host} /proc/*/root{host}",
        "ptrace": f"perl -e 'for (</proc/[0-9]*>) {{ m,(\\d+)$,; open my $f, q(<), qq($_/cmdline);"
        f" local $/; my $c = <$f> // q(); exit 0 if $c =~ /{SECRET[:-1]}[{SECRET[-1]}]/;"
        f" }} exit(syscall({trace}, 16, {os.getpid()}, 0, 0) == -1 ? 1 : 0)'",
        "keyrings": f"{search} || grep {SECRET} /proc/keys",
        "host sockets": f"{connect} || ls /run/systemd/private-host /run/host/run 2>/dev/null",
        "sysfs": "find /run/host/sysfs /sys -path /sys/fs/cgroup -prune -o -type f -writable -print"
        " | grep . || echo 1 >/run/host/sysfs/kernel/profiling",
        "bpf": call("bpf", "0", '"\\0" x 128', "128"),
    }


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    """What nobody may reach: a file, a process, a key, and a socket."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    libc = ctypes.CDLL(None, use_errno=True)
    add = CALLS[platform.machine()]["add_key"]
    for ring in (USER, SESSION):
        libc.syscall(add, b"user", SECRET.encode(), b"x", 1, ring)
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(f"\0{ABSTRACT}")
        listening.listen()
        process = stack.enter_context(
            subprocess.Popen(["sh", "-c", f": {SECRET}; exec sleep 1000"])
        )
        stack.callback(process.kill)
        yield secret


@pytest.fixture(params=SUITES)
def guest(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Guest]:
    machine = Nspawn(suite=request.param, cache=ROOTS, arch=ARCH)
    machine.prepare(Silent().tell)
    (tmp_path / "image/usr/share/app").mkdir(parents=True)
    images = [BootImage(path=tmp_path / "image", name="app")]
    with machine.start(Load(setup="true", images=images, log=tmp_path / "log")) as running:
        yield running


@pytest.mark.skipif(platform.machine() not in CALLS, reason="knows no system calls of it")
def test_no_way_leads_out(guest: Guest, host: Path) -> None:
    before = CORE_PATTERN.read_text(), loaded()
    reached = {
        way: answer.stdout
        for way, script in ways_out(host).items()
        if (answer := guest.ask(script)).status == 0
    }
    assert reached == {}
    assert (CORE_PATTERN.read_text(), loaded()) == before


def test_its_root_is_nobody_on_the_host(guest: Guest) -> None:
    first, outside, count = guest.ask("cat /proc/self/uid_map").stdout.split()
    assert (first, count) == ("0", "65536")
    assert int(outside) > 0
    assert guest.ask("id -u").stdout == "0\n"
    assert guest.ask("touch /var/file && chown nobody /var/file").status == 0
