"""Debian systems: made once by debootstrap, cached by what went into them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bakery.boot.errors import MachineError
from bakery.recipe.debian import WORDS
from bakery.tools import Tool, run
from bakery.upstream import apt

if TYPE_CHECKING:
    from bakery.boot.machine import Arch

_DEBOOTSTRAP = Tool(program="debootstrap", apt="debootstrap")
_SCRIPTS = Path("/usr/share/debootstrap/scripts")
_SYSEXT = "usr/lib/systemd/system/systemd-sysext.service"

# What images may count on, as on Flatcar: a service manager, iproute2, iptables, curl
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "kmod",
    "procps",
    "iproute2",
    "iptables",
    "curl",
    "ca-certificates",
)
# Before version 255 nothing loads the units that a merge brings: hosts do it as Flatcar does.
_RELOADS_ITSELF = 255
_RELOAD = "[Service]\nExecStartPost=/bin/systemctl daemon-reload\n"
_FILES = {
    "etc/hostname": "bakery\n",
    "etc/hosts": "127.0.0.1 localhost bakery\n::1 localhost bakery\n",
    "etc/machine-id": "",
    "etc/resolv.conf": "",
}
_LINKS = {
    "etc/systemd/system/sysinit.target.wants/systemd-sysext.service": f"/{_SYSEXT}",
    **{
        f"etc/systemd/system/{unit}": "/dev/null"
        for unit in (
            "apt-daily.timer",
            "apt-daily-upgrade.timer",
            "dpkg-db-backup.timer",
            "e2scrub_all.timer",
            "e2scrub_reap.service",
            "fstrim.timer",
            "getty.target",
        )
    },
}


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into a root file system.

    Attributes:
        suite: Debian's name for the release, such as `bookworm`.
        arch: in systemd's words.
        packages: what is installed beside Debian's essential packages.
        files: further files by path, and their text.
        links: symbolic links by path, and where they point.

    """

    suite: str
    arch: Arch
    packages: tuple[str, ...] = PACKAGES
    files: dict[str, str] = {}
    links: dict[str, str] = {}

    @property
    def name(self) -> str:
        """Its folder's name: readable, and different for everything that differs."""
        everything = [self, _FILES, _LINKS, _RELOAD]
        digest = hashlib.sha256(msgspec.json.encode(everything, order="sorted")).hexdigest()
        return f"{self.suite}-{self.arch}-{digest[:12]}"


@dataclass(frozen=True, kw_only=True)
class Debian(ABC):
    """What machines with a Debian system have in common.

    Attributes:
        suite: `bookworm` has systemd 252, `trixie` 257.
        cache: the folder that keeps the systems between boots; several processes may share it.
        arch: in systemd's words.

    """

    suite: str
    cache: Path
    arch: Arch

    @property
    def system(self) -> str:
        """The system that boots."""
        return self.suite

    @property
    @abstractmethod
    def root(self) -> Root:
        """What the system is made of."""

    @property
    def folder(self) -> Path:
        """Where its root file system is, once it is made."""
        return self.cache / self.root.name

    def provide(self) -> Path:
        """Return the folder of its root file system, made now if it is not there yet.

        Raises:
            MachineError: it can't be made here.
            NoMirrorError: no Debian mirror is known.
            MissingToolError: debootstrap is not installed.
            ToolFailedError: debootstrap failed.

        """
        from filelock import FileLock

        root, folder = self.root, self.folder
        if folder.is_dir():
            return folder
        if os.geteuid() != 0:
            raise MachineError("only root can make a Debian system", fix="run it with sudo")
        self.cache.mkdir(parents=True, exist_ok=True)
        with FileLock(self.cache / f".{root.name}.lock"):
            if not folder.is_dir():
                partial = self.cache / f".{root.name}.partial"
                _remove(partial)
                _bootstrap(root, partial, apt.mirrors().main)
                _configure(root, partial)
                partial.rename(folder)
        return folder


def _bootstrap(root: Root, folder: Path, mirror: str) -> None:
    script = _SCRIPTS / root.suite
    run(
        [
            _DEBOOTSTRAP.require(),
            "--variant=minbase",
            "--force-check-gpg",
            f"--arch={WORDS[root.arch]}",
            f"--include={','.join(root.packages)}",
            root.suite,
            folder,
            mirror,
            *([] if script.exists() else [_SCRIPTS / "sid"]),
        ],
        what=f"debootstrap could not make a Debian {root.suite} system",
        env={"DEBIAN_FRONTEND": "noninteractive"},
        fix=f"see {folder}/debootstrap/debootstrap.log; another mirror is set with {apt.VARIABLE}",
    )


def _configure(root: Root, folder: Path) -> None:
    for cached in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(folder / cached)
        (folder / cached).mkdir()
    files = {**_FILES, **root.files}
    if systemd_version(folder) < _RELOADS_ITSELF:
        files["etc/systemd/system/systemd-sysext.service.d/10-reload.conf"] = _RELOAD
    for path, text in files.items():
        place = _cleared(folder / path)
        place.write_text(text, "utf-8")
        place.chmod(0o644)
    for path, target in {**_LINKS, **root.links}.items():
        _cleared(folder / path).symlink_to(target)


def _cleared(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path


def _remove(folder: Path) -> None:
    """Remove what an interrupted debootstrap left, the file systems it mounted included."""
    if not folder.exists():
        return
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        run(["umount", mount], what="what an earlier debootstrap mounted can't be unmounted")
    shutil.rmtree(folder)


def systemd_version(folder: Path) -> int:
    """Return the version of the systemd in a root file system.

    Raises:
        MachineError: there is none.

    """
    for library in folder.glob("usr/lib/**/libsystemd-shared-*.so"):
        if found := re.search(r"shared-(\d+)", library.name):
            return int(found[1])
    raise MachineError("there is no systemd in the root file system", where=str(folder))
