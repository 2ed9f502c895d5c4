"""A virtual machine with Debian and its SELinux policy, which is enforced."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from bakery.boot.qemu import Qemu

if TYPE_CHECKING:
    from pathlib import Path

    from bakery.boot import debian
    from bakery.boot.guest import Guest

_CONTEXTS = "etc/selinux/default/contexts/files/file_contexts"
_CONFIG = "SELINUX=enforcing\nSELINUXTYPE=default\n"
# Without it, Debian's policy keeps systemd-tmpfiles, and so every setup, from writing to /etc.
SETUP = "setsebool systemd_tmpfiles_manage_all on\n"
_DENIED = re.compile(r"avc: +denied .*")
_MOUNT = "etc/systemd/system/run-bakery.mount"


@dataclass(frozen=True, kw_only=True)
class Enforcing(Qemu):
    """A virtual machine whose kernel enforces Debian's policy; its files are labelled."""

    words: ClassVar = "security=selinux selinux=1 enforcing=1"

    @property
    def root(self) -> debian.Root:
        plain = super().root
        # what is on the disk with the images has no label, and gets that of /opt/extensions
        mount = plain.files[_MOUNT].replace(
            "Options=ro", "Options=ro,context=system_u:object_r:usr_t:s0"
        )
        return msgspec.structs.replace(
            plain,
            packages=(*plain.packages, "selinux-policy-default", "policycoreutils"),
            files={**plain.files, _MOUNT: mount, "etc/selinux/config": _CONFIG},
        )

    @property
    def contexts(self) -> Path:
        """Its policy's table of labels."""
        return self.folder / _CONTEXTS

    def disk(self) -> Path:
        command = ["chroot", self.folder, "setfiles", "-F", f"/{_CONTEXTS}", "/"]
        subprocess.run(command, check=True, capture_output=True)
        return super().disk()

    def labels_by_selinux(self, paths: list[str], kind: str) -> list[str]:
        """Return what SELinux itself makes of its table for paths relative to /."""
        command = ["chroot", self.folder, "matchpathcon", "-n", "-m", kind, "-f", f"/{_CONTEXTS}"]
        command += [f"/{path}" for path in paths]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.splitlines()


def denials(guest: Guest) -> list[str]:
    """Return what the policy has denied since the system booted."""
    return _DENIED.findall(guest.ask("dmesg").stdout)
