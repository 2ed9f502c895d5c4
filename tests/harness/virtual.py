"""Hosts that are virtual machines: with a kernel of their own, and so with dm-verity."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import structs

from bakery.boot.machine import Load
from bakery.boot.qemu import Qemu
from bakery.progress import Silent
from harness.debian import ROOTS
from harness.hosts import Host
from harness.native import ARCH
from harness.sysupdate import given

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bakery.boot import debian

# systemd-sysupdate and what it calls, and a web server
_PACKAGES = ("systemd-container", "gpg", "busybox")


@dataclass(frozen=True, kw_only=True)
class VirtualFollower(Qemu):
    """A virtual machine whose system can update its extensions, and verify them as it reads."""

    @property
    def root(self) -> debian.Root:
        root = super().root
        return structs.replace(root, packages=(*root.packages, *_PACKAGES))


@contextmanager
def booted(suite: str, files: Sequence[Path], log: Path) -> Iterator[Host]:
    """Boot a machine; file N is at `image_path(N, name)` in it, and nothing it writes is kept."""
    machine = VirtualFollower(suite=suite, cache=ROOTS, arch=ARCH)
    machine.prepare(Silent().tell)
    with machine.start(Load(setup="", images=given(files), log=log)) as guest:
        host = Host(guest)
        host.holds("systemctl start sysinit.target && modprobe loop", limit=120)
        yield host
