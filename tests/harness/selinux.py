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

IMAGES = "/opt/extensions"
_CONTEXTS = "etc/selinux/default/contexts/files/file_contexts"
_CONFIG = "SELINUX=enforcing\nSELINUXTYPE=default\n"
# The boolean: without it, Debian's policy keeps systemd-tmpfiles, and so every setup, from writing
# to /etc. The link: even with it, from making links there that belong to containers. The copies:
# what is on the disk with the images has no label.
SETUP = f"""\
setsebool systemd_tmpfiles_manage_all on
mkdir -p {IMAGES} /var/lib/extensions /etc/containerd
ln -s /usr/share/containerd/config.toml /etc/containerd/config.toml
for path in /run/bakery/images/*/*; do cp "$path" {IMAGES}/; done
"""
# What Debian's policy denies this system itself, without any image
_HOSTS = re.compile(r'comm="(?:systemd-journal|dmesg)"|comm="systemd-tmpfile" .* dev="vda"')
_DENIED = re.compile(r"avc: +denied .*")


@dataclass(frozen=True, kw_only=True)
class Enforcing(Qemu):
    """A virtual machine whose kernel enforces Debian's policy; its files are labelled."""

    words: ClassVar = "security=selinux selinux=1 enforcing=1"

    @property
    def root(self) -> debian.Root:
        plain = super().root
        return msgspec.structs.replace(
            plain,
            packages=(*plain.packages, "selinux-policy-default", "policycoreutils"),
            files={**plain.files, "etc/selinux/config": _CONFIG},
        )

    @property
    def contexts(self) -> Path:
        """Its policy's table of labels."""
        return self.folder / _CONTEXTS

    def disk(self) -> Path:
        command: list[str | Path] = ["chroot", self.folder, "setfiles", "-F", f"/{_CONTEXTS}", "/"]
        subprocess.run(command, check=True, capture_output=True)
        return super().disk()

    def labels_by_selinux(self, paths: list[str], kind: str) -> list[str]:
        """Return what SELinux itself makes of its table for paths relative to /."""
        command = ["chroot", str(self.folder), "matchpathcon", "-n", "-m", kind]
        command += ["-f", f"/{_CONTEXTS}", *(f"/{path}" for path in paths)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.splitlines()


def denials(guest: Guest) -> list[str]:
    """Return what the policy has denied since the system booted, but for the system's own."""
    # dmesg itself is confined, and may not start any more once an image without labels is merged
    said = guest.ask("dd if=/dev/kmsg iflag=nonblock bs=8k 2>/dev/null").stdout
    found = _DENIED.findall(said)
    return [line for line in found if not _HOSTS.search(line)]
